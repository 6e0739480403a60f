"""The pages of the ablations: rendered from one file of numbers, and the committed ones are up to date."""

from __future__ import annotations

import json

import pytest

from tests.helpers import ROOT
from tests.train.ablate.conftest import random_photos
from train import evaluate
from train.ablate import page, variants
from train.ablate import rows as ablation_rows
from train.ablate.rows import INSTANCES, PRM, PROPOSAL, SALIENCY
from wsis import paper, results
from wsis.analysis import Settings

MODEL = ROOT / "checkpoints" / "voc-lite"


def committed(name: str) -> dict:
    return json.loads((MODEL / name).read_text())


def test_committed_pages_are_rendered_from_the_models_numbers() -> None:
    found = results.read(committed("results.json"))
    assert (ROOT / "docs" / "results.md").read_text() == page.markdown(found)
    readme = (ROOT / "README.md").read_text()
    assert page.between(readme, page.summary(found, committed("metrics.json"))) == readme


def test_the_models_card_shows_its_metrics() -> None:
    """The table of the card is what `train.evaluate` prints of `metrics.json`."""
    figures, table = evaluate.markdown(committed("metrics.json")).split("\n\n")
    card = (MODEL / "README.md").read_text()
    assert table in card
    assert figures in card


def test_numbers_of_both_files_agree_in_every_digit() -> None:
    """What `train.evaluate` and `train.ablate` both measured: the rows with agreement and objectness."""
    rows = [row for row in committed("results.json")["rows"] if not row["changes"] and not row["shape"]]
    keys = ("enhancer", "steps", "preset", "fill")
    evaluated = {tuple(row[key] for key in keys): row for row in committed("metrics.json")["rows"]}
    assert len(rows) == 4 + 4 + 6
    for row in rows:
        other = evaluated[tuple(row[key] for key in keys)]
        assert {key: row[key] for key in other} == other
    about = ("photos", "instances")
    assert [committed("results.json")[key] for key in about] == [committed("metrics.json")[key] for key in about]


def test_committed_rows_are_those_of_the_code_under_the_same_names() -> None:
    content = committed("results.json")
    rows = {(row.name, row.fill): row for row in ablation_rows.every(variants.WITHOUT)}
    assert len(rows) == len(ablation_rows.every(variants.WITHOUT)) == len(content["rows"])
    for entry in content["rows"]:
        row = rows[entry["name"], entry["fill"]]
        assert entry["learned_from"] == row.learned_from
        assert [entry[key] for key in ("enhancer", "steps", "preset", "network", "shape")] == [
            row.enhancer, row.steps, row.preset, row.network, row.shape
        ]  # fmt: skip
        assert entry["changes"] == dict(row.changes)
    assert [(one["name"], one["less"], one["fill"]) for one in content["differences"]] == [
        (row.name, less.name, row.fill) for row, less in ablation_rows.differences(variants.WITHOUT)
    ]


UNSCORED = {"objectness": False, "semantic_threshold": 0.2}
ICN = {"enhancer": "icn-proposal", "steps": 3, "preset": "paper"}
MEANT = {
    # the row of the paper: what its answer as published is made with (4.3, 4.5 and 4.6)
    ("1", "w/o ICN", 0): {"enhancer": "none", "preset": "paper", "naive": "class map"},
    ("1", "w/o ICN", 1): {"enhancer": "none", "preset": "paper", "naive": "response"},
    ("1", "w/o CFM and DFM of ICN", 0): {**ICN, "network": "icn-no-fusion"},
    ("1", "w/o input PRM of ICN", 0): {**ICN, "network": "icn-no-map"},
    ("1", "w/o multi-scale rebalance matching", 0): {**ICN, "preset": "prm-2018", "network": ""},
    ("1", "Full model (Ours-proposal)", 0): {**ICN, "network": ""},
    ("2", "PRM [42]", 0): {"enhancer": "none", "preset": "prm-2018", "naive": "response"},
    ("2", "Ours-proposal", 0): {**ICN, "network": ""},
    ("2", "Ours-saliency", 0): {**ICN, "enhancer": "icn-saliency"},
    ("3", "CAM [41], Rect.", 0): {"shape": "rectangle"},
    ("3", "CAM [41], Ellipse", 0): {"shape": "ellipse"},
    ("3", "CAM [41], MCG", 0): {"shape": "proposal"},
    ("3", "PRM [42]", 0): {"enhancer": "none", "preset": "prm-2018", "naive": "response", "shape": None},
    ("3", "Ours-proposal", 0): {**ICN, "network": ""},
    ("3", "Ours-saliency", 0): {**ICN, "enhancer": "icn-saliency"},
    **{("4", f"T = {step}", 0): {**ICN, "enhancer": "icn-saliency", "steps": step} for step in (1, 2, 3, 4)},
}


def test_every_row_of_the_paper_is_answered_by_the_row_meant() -> None:
    """By settings, not by names: what stands opposite is made as the paper's row was."""
    rows = {row.name: row for row in ablation_rows.every(variants.WITHOUT) if not row.fill}
    answered = {
        (table.number, row.name, place): rows[published]
        for table in paper.tables().values()
        for row in table.rows
        for place, (published, _) in enumerate(row.answers)
        if published
    }
    assert answered.keys() == MEANT.keys()
    for where, row in answered.items():
        for key, value in MEANT[where].items():
            assert getattr(row, key, getattr(row.settings, key, None)) == value, where
        assert not row.settings.objectness
        assert row.settings.semantic_threshold == 0.2
        assert row.enhancer == "none" or not row.settings.agreement


def test_ours_adds_what_the_column_says_and_nothing_else() -> None:
    rows = {row.name: row for row in ablation_rows.every(variants.WITHOUT) if not row.fill}
    added = {"with agreement": {"agreement"}, "with agreement and objectness": {"agreement", "objectness"}}
    for table in paper.tables().values():
        for published, ours in (answer for row in table.rows for answer in row.answers):
            if ours is None:
                continue
            settings = rows[ours].settings
            if rows[ours].enhancer != "none":
                assert {name for name in ("agreement", "objectness") if getattr(settings, name)} == added[table.ours]
            if published is not None:
                before = rows[published]
                assert [getattr(before, key) for key in ("enhancer", "steps", "preset", "network", "shape")] == [
                    getattr(rows[ours], key) for key in ("enhancer", "steps", "preset", "network", "shape")
                ]
                assert before.settings.naive == settings.naive


@pytest.mark.parametrize(
    ("row", "name", "learned_from"),
    [
        (PRM, "response (Eq. 2), matching of 2018", "labels, contours"),
        (PROPOSAL, "icn-proposal, T = 3, with agreement and objectness", "labels, contours, masks"),
        (SALIENCY, "icn-saliency, T = 3, with agreement and objectness", "labels, contours, masks"),
        (INSTANCES, "icn-instances, T = 3, with agreement and objectness", "labels, contours, masks"),
    ],
)
def test_a_row_says_what_it_is(row, name, learned_from) -> None:
    assert (row.name, row.learned_from) == (name, learned_from)


def test_the_default_row_is_what_the_explorer_does() -> None:
    assert INSTANCES.settings == Settings()


def test_the_page_shows_what_was_measured() -> None:
    photos = random_photos(ablation_rows.every(["icn-no-map"]))
    about = {"command": "python -m train.ablate --voc KIT", "model": "tiny"}
    content = {**about, **page.numbers(photos, ["icn-no-map"])}
    content["rows"][0]["intervals"]["miou"].update(value=0.5871, low=0.56, high=0.61)
    content["differences"][-1]["map50"].update(value=-0.012, low=-0.02, high=-0.001)
    content["differences"][-2]["map50"].update(value=0.001, low=-0.0004, high=0.006)
    text = page.markdown(results.read(content))
    assert "| Full model (Ours-proposal) | 54.1 | 58.7 [56.0, 61.0] |" in text
    assert "**-1.2 [-2.0, -0.1]**" in text
    assert "| +0.1 [+0.0, +0.6] |" in text
    assert "python -m train.ablate --voc KIT" in text
    assert "12 photos" in text
    assert "one training seed" in text
    assert "without input map" in text
    assert "without CFM and DFM" not in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert line.endswith((".png)",))
            assert "(figures/" in line
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2 + 1 + 1 + 1 + 1 + 2
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_the_pages_show_whether_instances_are_told_apart_where_it_was_measured() -> None:
    photos = random_photos(ablation_rows.every(["icn-no-map"]))
    content = {"command": "python -m train.ablate", "model": "tiny", **page.numbers(photos, ["icn-no-map"])}
    found = results.read(content)
    best, text = found.row(INSTANCES.name, evaluate.FILLS[-1]), page.markdown(found)
    figures = {key: best.figures[key].text() for key in results.SEPARATION}
    rows = next(line for line in text.splitlines() if line.startswith(f"| {INSTANCES.name} | {evaluate.FILLS[-1]} |"))
    assert f"| {' | '.join(figures.values())} | {best.masks_per_photo:.1f} |" in rows
    assert f"{results.TOLD_APART} {results.MERGED}" in text
    assert "| mIoU | mAP50 | ABO | alone | together | touching | merged |" in text
    for name, shares in best.separation_by_class.items():
        cells = [f"{100 * share:.1f}" for share in (*shares.values(), best.ap50_by_class[name])]
        assert f"| {name} | {' | '.join(cells)} |" in text
    metrics = {"classification_map": 0.9, "pointing": 0.8, "proposals_abo": 0.7}
    short = page.summary(found, metrics)
    assert "| alone | together | touching | masks a photo |" in short
    assert "erged" not in short
    assert results.TOLD_APART in short
    assert f"| {figures['touching']} | {best.masks_per_photo:.1f} |" in short

    for row in content["rows"]:
        for key in (*results.SEPARATION, "separation_by_class"):
            del row[key]
    for one in content["differences"]:
        for key in results.SEPARATION:
            del one[key]
    before = results.read(content)
    for written in (page.markdown(before), page.summary(before, metrics)):
        assert "old apart" not in written
        assert "together" not in written
        assert SALIENCY.name in written
