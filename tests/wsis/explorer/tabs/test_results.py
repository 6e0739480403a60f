from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markupsafe import escape

from tests.helpers import ROOT
from tests.helpers.markup import Page
from wsis import checkpoints, paper
from wsis import results as measurements
from wsis.checkpoints import Checkpoint
from wsis.explorer.tabs import results

EMBEDDED = ROOT / "checkpoints" / "voc-lite"


def row(enhancer: str, steps: int, preset: str = "paper", fill: int = 0, **shares: float) -> dict:
    """A row of metrics.json."""
    figures = {"map25": 0.5, "map50": 0.3, "map75": 0.1, "abo": 0.4, "miou": 0.5, "masks_per_photo": 2.0, **shares}
    own = {"enhancer": enhancer, "steps": steps, "preset": preset, "fill": fill}
    return {**own, **figures, "ap50_by_class": {"cat": shares.get("map50", 0.3), "dog": 0.2}}


APART = {"alone": 0.8, "together": 0.4, "touching": 0.25, "merged": 0.125}


def measured(*names: str, low: float = 0.2, high: float = 0.4, **shares: float) -> dict:
    """A results.json of rows that differ in nothing but their names."""
    ends = {"value": 0.3, "mean": 0.3, "low": low, "high": high}
    rows = [
        {**row("", 0, **shares), "name": name, "learned_from": "labels", "intervals": {"map50": ends}} for name in names
    ]
    counts = {"photos": 1450, "instances": 3, "resamples": 1000}
    return {"command": "python -m train.ablate", "model": "mine", **counts, "rows": rows, "differences": []}


def loaded(
    metrics: object = (), found: object = None, name: str = "mine", folder: Path | None = Path("mine")
) -> Checkpoint:
    return Checkpoint(name, None, card={"text": "", "metrics": metrics, "results": found, "modules": {}}, folder=folder)


def committed(name: str) -> dict:
    return json.loads((EMBEDDED / name).read_text())


@pytest.fixture(scope="module")
def embedded() -> str:
    """The tab of the embedded model."""
    return results.html(loaded(committed("metrics.json"), committed("results.json")))


def shown(value: float) -> str:
    return f"{value:.1f}".removeprefix("0")


def cells(answer: paper.Answer, table: paper.Table, line: paper.Printed, place: int) -> list[str]:
    """What the row of an answer shows."""
    told = f"{line.name} " if place == 0 else ""
    expected = [f"{told}{answer.label} {answer.learned_from}"]
    for figure in table.figures:
        expected.append(shown(line.values[figure]) if place == 0 else "")
        for one in (answer.published, answer.ours):
            mark = one and {1: "▲", -1: "▼", 0: ""}[one.figures[figure].compare(line.values[figure])]
            value, _, interval = one.figures[figure].text().partition(" ") if one else ("–", "", "")
            expected.append(f"{value.removeprefix('0')}{mark or ''} {interval}".strip())
    return expected


def test_without_figures_every_number_of_the_paper_is_printed_in_its_row() -> None:
    rows = Page(results.html(loaded())).rows
    for table in paper.tables().values():
        for line in table.rows:
            assert [line.name, *map(shown, line.values.values())] in rows


def test_every_row_of_the_paper_stands_beside_what_answers_it(embedded: str) -> None:
    """Each figure of the tab, as `wsis.paper` pairs and `results.json` has them."""
    rows = Page(embedded).rows
    found = measurements.read(committed("results.json"))
    for table in paper.tables().values():
        for line in table.rows:
            given = paper.answers(table, line, found)
            for place, answer in enumerate(given):
                assert cells(answer, table, line, place) in rows
            if not given:
                empty = [text for figure in table.figures for text in (shown(line.values[figure]), "", "")]
                assert [f"{line.name} ", *empty] in rows


def test_the_pairs_that_were_wrong_once_are_right(embedded: str) -> None:
    rows = {line[0]: line[1:] for line in Page(embedded).rows}
    assert rows["w/o multi-scale rebalance matching icn-proposal, T = 3, matching of 2018 labels, contours"] == [
        "53.9", "55.2 [51.9, 58.2]", "54.5 [51.1, 57.6]"
    ]  # fmt: skip
    prm = [line for line in Page(embedded).rows if line[0].startswith("PRM [42] response (Eq. 2), matching of 2018")]
    assert prm[0][4:6] == ["26.8", "25.8 [23.9, 31.0]"]
    assert prm[1][1:] == ["53.4", "42.1▼ [39.1, 45.2]", "–"]
    assert "not what the paper measured" not in embedded
    assert "no-rebalance" not in embedded[: embedded.index("<details>")]


def test_readme_page_and_tab_say_the_same(embedded: str) -> None:
    """The rows that README and docs/results.md print are in the tab's list of all rows, figure for figure."""
    rows = Page(embedded).rows
    head = next(line for line in rows if line[:2] == ["row", "filled to"])
    every = {tuple(line[:2]): dict(zip(head[2:], line[2:], strict=True)) for line in rows if len(line) == len(head)}
    sentence = paper.sentence(measurements.read(committed("results.json")))
    for name in ("README.md", "docs/results.md"):
        text = (ROOT / name).read_text()
        assert sentence in text
        assert escape(sentence) in embedded
        table = next(block for block in text.split("\n\n") if block.startswith("|  | filled to |"))
        first, _, *lines = ([cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines())
        ours = [line for line in lines if line[-1]]
        assert len(ours) >= 9
        assert {*measurements.NAMES.values(), "learned from"} <= {*first}
        for line in ours:
            printed = {title: re.sub(r"^0(?=\.)", "", cell) for title, cell in zip(first[2:], line[2:], strict=True)}
            assert printed.items() <= every[line[0], line[1]].items()


def test_all_rows_show_what_the_files_say(embedded: str) -> None:
    rows = Page(embedded).rows
    for own in committed("metrics.json")["rows"]:
        titles = measurements.titles(committed("metrics.json")["rows"])
        shares = [shown(round(100 * own[key], 1)) for key in titles]
        where = [own["enhancer"], str(own["steps"]), own["preset"], str(own["fill"])]
        assert [*where, *shares, f"{own['masks_per_photo']:.1f}"] in rows
    found = measurements.read(committed("results.json")).rows
    for own in found:
        titles = measurements.titles(one.figures for one in found)
        figures = [own.figures[key].text().removeprefix("0") for key in titles]
        assert [own.name, str(own.fill), *figures, f"{own.masks_per_photo:.1f}", own.learned_from] in rows


def test_it_leads_with_one_sentence_and_one_chart(embedded: str) -> None:
    lead = embedded[embedded.index("<section") : embedded.index("</section>") + len("</section>")]
    assert 'class="res-lead"' in lead
    assert lead.count("<p>Instances reach") == 1
    bars = [line for line in Page(lead).rows if len(line) == 3]
    assert [line[0] for line in bars] == 2 * ["paper", "as published", *2 * ["paper", "as published", "with ours"]]
    assert ["with ours", "", "41.6 [39.2, 46.3]"] in bars
    assert ["as published", "", "25.8 [23.9, 31.0]"] in bars
    assert "450 photos" in lead
    assert "a guide, not a contest" in lead


def test_bars_of_the_chart_end_at_the_figure_and_their_lines_span_the_interval() -> None:
    name = "response (Eq. 2), matching of 2018"
    page = results.html(loaded(found=measured(name)))
    chart = page[page.index('class="res-chart"') :]
    # the longest is the paper's mIoU of 53.4: bars are drawn over 0 to 60
    assert 'style="width:50.00%"></i><u style="left:33.33%;width:33.33%"></u>' in chart
    assert 'style="width:44.67%"></i></span>' in chart


def test_the_sign_says_on_which_side_of_the_interval_the_paper_lies() -> None:
    name = "icn-saliency, T = 3, as published"
    for low, high, sign in ((0.295, 0.31, "▲"), (0.28, 0.31, ""), (0.28, 0.293, "▼")):
        page = Page(results.html(loaded(found=measured(name, low=low, high=high))))
        line = next(
            line for line in page.rows if line[0] == "Ours-saliency icn-saliency, T = 3 labels" and len(line) > 4
        )
        assert line[4:7] == ["29.4", f"30.0{sign} [{100 * low:.1f}, {100 * high:.1f}]", "–"]


def test_the_worth_of_parts_and_steps_say_what_is_within_noise(embedded: str) -> None:
    rows = Page(embedded).rows
    assert [
        "w/o multi-scale rebalance matching icn-proposal, T = 3, matching of 2018",
        "+0.2", "+2.1 [+0.2, +4.0]", "+4.2 [+2.5, +6.0]",
    ] in rows  # fmt: skip
    assert "here −0.3 [−1.3, +0.8] (as published; within noise)" in embedded
    assert "Best at" not in embedded


def test_what_is_ours_is_named(embedded: str) -> None:
    rows = Page(embedded).rows
    assert any(line[0] == "agreement" and "ours" in line[2] for line in rows)
    assert any(line[0] == "objectness" and "ours" in line[2] for line in rows)


def test_what_is_told_apart_is_shown_where_it_was_measured() -> None:
    found = measured("class map", results.SHOWN[0], "spread", **APART)
    found["rows"][0]["intervals"]["touching"] = {"value": 0.25, "low": 0.2, "high": 0.3}
    page = results.html(loaded({"rows": [row("none", 0, **APART)]}, found))
    group = page[page.index("<h3>Told apart") :]
    group = group[: group.index("</section>")]
    assert Page(group).rows == [
        ["", "alone", "together", "touching", "merged"],
        ["class map", "80.0", "40.0", "25.0 [20.0, 30.0]", "12.5"],
        [results.SHOWN[0], "80.0", "40.0", "25.0", "12.5"],
    ]
    assert escape(measurements.TOLD_APART) in group
    assert measurements.MERGED in group
    names = [*measurements.NAMES.values(), *measurements.SEPARATION.values(), "masks a photo"]
    rows = Page(page).rows
    assert ["row", "filled to", *names, "learned from"] in rows
    assert ["enhancer", "T", "preset", "filled to", *names] in rows
    figures = ["50.0", "30.0", "10.0", "40.0", "50.0", "80.0", "40.0", "25.0", "12.5", "2.0"]
    assert ["none", "0", "paper", "0", *figures] in rows
    figures[1] += " [20.0, 40.0]"
    assert ["spread", "0", *figures, "labels"] in rows


def test_what_was_measured_before_says_nothing_of_being_told_apart() -> None:
    """Nor do columns of which a row has nothing."""
    found = measured("class map", "spread")
    found["rows"][1] |= APART
    page = results.html(loaded({"rows": [row("none", 0), row("spread", 1, **APART)]}, found))
    assert "Told apart" not in page
    assert "together" not in page


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


def test_bars_first_show_what_the_explorer_does(embedded: str) -> None:
    chosen = re.search(r"<option [^>]*selected>([^<]*)</option>", embedded)
    assert chosen
    assert chosen[1] == "icn-instances, T = 3, with agreement and objectness"


def test_without_figures_it_says_how_to_make_them(tiny_checkpoint: Path) -> None:
    said = results.html(checkpoints.load(tiny_checkpoint))
    voc = "--voc VOCdevkit/VOC2012 --split val"
    assert f"python -m train.ablate {voc} --model {tiny_checkpoint} --out {tiny_checkpoint}" in said
    assert f"python -m train.evaluate {voc} --model {tiny_checkpoint} --json {tiny_checkpoint}/metrics.json" in said
    assert "res-own" not in said
    assert "data-bars" not in said
    assert "res-chart" not in said


@pytest.mark.parametrize("metrics", [[], {"rows": []}, {"rows": [{"enhancer": "none"}]}])
@pytest.mark.parametrize("found", [None, {}, [], {"rows": [{"name": "spread"}]}])
def test_figures_of_another_kind_count_as_none(metrics: object, found: object) -> None:
    said = results.html(loaded(metrics, found))
    assert "No figures for mine" in said
    assert "res-all" not in said


def test_what_was_evaluated_is_shown_without_the_ablations() -> None:
    page = results.html(loaded({"rows": [row("icn-saliency", 3)], "pointing": 0.5}))
    assert "No figures for mine" in page
    assert "Pointing" in page
    assert 'class="res-all"' in page
    Page(page)


def test_rows_that_were_not_measured_leave_the_papers_alone() -> None:
    page = results.html(loaded(found=measured("spread")))
    assert "res-chart" not in page
    assert "1,450 photos" in page
    assert ["w/o ICN spread labels", "53.5", "–", "50.0"] in Page(page).rows


def test_somebody_elses_classifier_is_told_to_train_first() -> None:
    said = results.html(loaded({}, None, "timm:resnet50", None))
    assert "No figures for timm:resnet50" in said
    assert "make train" in said
    assert "--model checkpoints/mine" in said


def test_a_results_files_figures_are_shown_without_the_classifiers() -> None:
    rows = [{**row("results/instances.json", 0, "", 0)}]
    page = results.html(loaded({"photos": 2, "rows": rows}))
    assert "Classification mAP" not in page
    assert "results/instances.json" in page


def test_names_and_commands_from_files_are_escaped() -> None:
    bad = "<script>alert('x')</script>\""
    own = {**row(bad, 1, bad), "ap50_by_class": {bad: 0.5}}
    metrics = {"photos": 1, "rows": [own], "command": bad, "date": bad, "masks": bad, "seed": bad}
    found = measured("spread", bad)
    for one in found["rows"]:
        one |= {"learned_from": bad, "ap50_by_class": {bad: 0.5}}
    for page in (results.html(loaded(metrics, found, bad)), results.html(loaded(metrics, None, bad))):
        Page(page)
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_nothing_is_fetched_and_the_script_takes_no_code_from_text(embedded: str) -> None:
    folder = Path(results.__file__).parent
    for text in (embedded, *((folder / name).read_text() for name in ("results.js", "results.css"))):
        assert not re.search(r"https?://|url\(|@import|src=|eval\(|new Function", text)


TAUGHT = {
    "map": 0.875,
    "classes": {
        name: {"shown": 20, "lacking": 30, "ap": 0.91, "threshold": 0.4, "precision": 0.9, "recall": 0.8,
               "precision_default": 0.5, "recall_default": 1.0}
        for name in ("teapot", "<b>bolt")
    },
    "confusion_names": ["teapot", "<b>bolt", "nothing"],
    "confusion": [[18, 2, 0], [1, 17, 2], [0, 0, 10]],
}  # fmt: skip


def of_own_classes(metrics: object) -> str:
    modules = {"classifier": {"options": {"classes": ["teapot", "<b>bolt"]}}}
    card = {"text": "", "metrics": metrics, "results": None, "modules": modules}
    return results.html(Checkpoint("models/mine", None, card=card, folder=Path("models/mine")))


def test_a_taught_model_shows_what_was_held_out_and_nothing_of_vocs() -> None:
    said = of_own_classes({"held_out": TAUGHT, "taught": {}})
    page = Page(said)
    assert ["teapot", "20", "30", ".91", ".40", ".90", ".80"] in page.rows
    assert ["teapot", "18", "2", "–"] in page.rows
    assert "Mean AP .88" in " ".join(said.split())
    assert "How good are the masks?" in said
    assert "--coco annotations.json --photos photos --model models/mine --json models/mine/metrics.json" in said
    assert "VOC" not in said
    assert "Beside the paper" not in said
    assert "<b>bolt" not in said.replace("<b>bolt".replace("<", "&lt;"), "")


def test_a_model_of_ones_own_classes_that_was_measured_shows_its_rows() -> None:
    said = of_own_classes({"photos": 1200, "instances": 3, "rows": [row("spread", 1)]})
    assert "Measured on photos with masks" in said
    assert "1,200 photos, 3 instances" in said
    assert 'class="res-all"' in said
    assert "No figures" not in said


@pytest.mark.parametrize("figures", [{}, [], {"classes": {"a": {}}, "confusion": [], "confusion_names": [], "map": 1}])
def test_held_out_figures_of_another_kind_count_as_none(figures: object) -> None:
    said = of_own_classes({"held_out": figures})
    assert "No figures for models/mine" in said
    assert "held out of teaching" not in said
