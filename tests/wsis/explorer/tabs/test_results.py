from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.markup import Page
from wsis import checkpoints
from wsis.checkpoints import Checkpoint
from wsis.explorer.tabs import results

EMBEDDED = ROOT / "checkpoints" / "voc-lite"


def row(enhancer: str, steps: int, preset: str = "paper", per_peak: int = 1, **shares: float) -> dict:
    figures = {"map25": 0.5, "map50": 0.3, "map75": 0.1, "abo": 0.4, "miou": 0.5, "masks_per_photo": 2.0, **shares}
    own = {"enhancer": enhancer, "steps": steps, "preset": preset, "per_peak": per_peak}
    return {**own, **figures, "ap50_by_class": {"cat": shares.get("map50", 0.3), "dog": 0.2}}


def loaded(metrics: dict, name: str = "mine", folder: Path | None = Path("mine")) -> Checkpoint:
    return Checkpoint(name, None, card={"text": "", "metrics": metrics, "modules": {}}, folder=folder)


def embedded() -> dict:
    return json.loads((EMBEDDED / "metrics.json").read_text())


def shown(value: float) -> str:
    return f"{value:.1f}".removeprefix("0") if value < 1 else f"{value:.1f}"


@pytest.mark.parametrize("metrics", [{}, embedded()], ids=["without figures", "embedded"])
def test_every_number_of_the_paper_is_printed_in_its_row(metrics: dict) -> None:
    rows = Page(results.html(loaded(metrics))).rows
    for table in results.paper()["tables"].values():
        for line in table["rows"]:
            assert [line["name"], *map(shown, line["values"])] in rows


def test_the_paper_is_transcribed_as_published() -> None:
    tables = {number: {r["name"]: r["values"] for r in t["rows"]} for number, t in results.paper()["tables"].items()}
    assert tables["1"]["w/o ICN"] == [53.5] and tables["1"]["w/o input PRM of ICN"] == [36.7]
    assert tables["2"]["Ours-proposal"] == tables["1"]["Full model (Ours-proposal)"] == [54.1]
    assert tables["3"]["MELM [36], MCG"] == [36.9, 22.9, 8.4, 32.9]
    assert tables["3"]["Ours-proposal"] == [47.1, 29.2, 12.5, 42.8]
    assert tables["3"]["Ours-saliency"] == [47.7, 29.4, 13.1, 43.7]
    assert tables["4"]["mAP .5, Ours-saliency"][2] == tables["3"]["Ours-saliency"][1]
    assert [len(table) for table in tables.values()] == [5, 7, 13, 1]


def test_every_counterpart_is_a_row_of_the_embedded_model() -> None:
    rows = embedded()["rows"]
    for number, table in results.paper()["tables"].items():
        for line, cells in zip(table["rows"], results.pairs(number, rows), strict=True):
            assert [pair.ours is not None for pair in cells] == ["ours" in line] * len(cells)


def test_all_rows_show_what_metrics_json_says() -> None:
    metrics = embedded()
    rows = Page(results.html(loaded(metrics))).rows
    for own in metrics["rows"]:
        shares = [shown(round(100 * own[key], 1)) for key in results.METRICS]
        where = [own["enhancer"], str(own["steps"]), own["preset"], str(own["per_peak"])]
        assert [*where, *shares, f"{own['masks_per_photo']:.1f}"] in rows


def test_difference_is_ours_less_the_papers_as_shown() -> None:
    own = row("icn-saliency", 3, map25=0.4971, map50=0.294, map75=0.0811, abo=0.43749)
    *_, last = results.pairs("3", [own])
    assert [pair.ours for pair in last] == [49.7, 29.4, 8.1, 43.7]
    assert [pair.difference for pair in last] == [2.0, 0.0, -5.0, 0.0]
    page = results.html(loaded({"rows": [own]}))
    assert ["icn-saliency, T = 3", "49.7 ▲+2.0", "29.4 =±0", "8.1 ▼−5.0", "43.7 =±0"] in Page(page).rows


def test_sentences_follow_the_figures() -> None:
    better = row("icn-saliency", 3, map25=0.9, map50=0.9, map75=0.9, abo=0.9, miou=0.9)
    worse = row("icn-saliency", 3, map25=0.1, map50=0.1, map75=0.1, abo=0.1, miou=0.1)
    said = dict(results.findings([better]))
    assert said["Above the paper"].startswith("With icn-saliency mAP .25 +42.3")
    assert "mIoU +35.1" in said["Above the paper"] and said["Below the paper"].startswith("Nowhere")
    said = dict(results.findings([worse]))
    assert said["Above the paper"].startswith("Nowhere") and "ABO −33.7" in said["Below the paper"]
    assert results.findings([row("spread", 1)]) == []


def test_parts_left_out_are_compared_with_the_full_model_on_each_side() -> None:
    rows = [
        row("none", 0, miou=0.4),
        row("icn-proposal", 3, miou=0.45),
        row("icn-proposal", 3, "no-rebalance", miou=0.2),
    ]
    said = dict(results.findings(rows))["Parts left out"]
    assert "w/o ICN −.6 in the paper, −5.0 here" in said
    assert "w/o multi-scale rebalance matching −.2 in the paper, −25.0 here" in said
    assert "“w/o multi-scale rebalance matching” is not what the paper measured" in said
    rows[2] = row("icn-proposal", 3, "no-rebalance", miou=0.44)
    assert "is not what" not in dict(results.findings(rows))["Parts left out"]


def test_best_step_is_told_for_both() -> None:
    rows = [row("icn-saliency", t, map50=share) for t, share in ((1, 0.2), (2, 0.35), (3, 0.3))]
    assert "Best at T = 3 in the paper, at T = 2 here." in results.html(loaded({"rows": rows}))


def test_bars_are_sorted_and_compared_with_the_class_map() -> None:
    rows = [row("none", 0, map50=0.1), row("icn-saliency", 3, map50=0.15)]
    page = Page(results.html(loaded({"rows": rows})))
    start = page.rows.index(["class", "", "this row", "class map", "difference"])
    assert page.rows[start + 1 : start + 3] == [
        ["dog", "", "20.0", "20.0", "=±0"],
        ["cat", "", "15.0", "10.0", "▲+5.0"],
    ]
    data = next(attrs["data-bars"] for _, attrs in page.tags if "data-bars" in attrs)
    assert json.loads(data) == {"rows": [[10.0, 20.0], [15.0, 20.0]], "base": [10.0, 20.0]}


def test_without_figures_it_says_how_to_make_them(tiny_checkpoint: Path) -> None:
    said = results.html(checkpoints.load(tiny_checkpoint))
    assert f"python -m train.evaluate --voc VOCdevkit/VOC2012 --split val --model {tiny_checkpoint}" in said
    assert f"--json {tiny_checkpoint}/metrics.json" in said
    assert "res-own" not in said and "data-bars" not in said


@pytest.mark.parametrize("metrics", [[], {"rows": []}, {"rows": [{"enhancer": "none"}]}])
def test_figures_of_another_kind_count_as_none(metrics: object) -> None:
    assert "No figures for mine" in results.html(loaded(metrics))


def test_somebody_elses_classifier_is_told_to_train_first() -> None:
    said = results.html(loaded({}, "timm:resnet50", None))
    assert "No figures for timm:resnet50" in said and "make train" in said and "--model checkpoints/mine" in said


def test_a_results_files_figures_are_shown_without_the_classifiers() -> None:
    rows = [{**row("results/instances.json", 0, "", 0)}]
    page = results.html(loaded({"photos": 2, "rows": rows}))
    assert "2 photos" in page and "Classification mAP" not in page and "results/instances.json" in page


def test_names_and_commands_from_files_are_escaped() -> None:
    bad = "<script>alert('x')</script>\""
    own = {**row(bad, 1, bad), "ap50_by_class": {bad: 0.5}}
    metrics = {"photos": 1, "rows": [own], "command": bad, "date": bad, "masks": bad, "seed": bad}
    for page in (results.html(loaded(metrics, bad)), results.html(loaded({}, bad))):
        Page(page)
        assert "<script" not in page and "&lt;script&gt;" in page


def test_nothing_is_fetched_and_the_script_takes_no_code_from_text() -> None:
    page = results.html(loaded(embedded()))
    folder = Path(results.__file__).parent
    for text in (page, *((folder / name).read_text() for name in ("results.js", "results.css"))):
        assert not re.search(r"https?://|url\(|@import|src=|eval\(|new Function", text)
