"""The report: complete, honest, self-contained, and safe whatever a file is called."""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.helpers import ROOT
from tests.helpers.small_analysis import empty_scene, small_analysis, with_objects
from wsis import cli, export, files, provenance
from wsis.analysis import Settings
from wsis.checkpoints import Checkpoint
from wsis.explorer import doubts, downloads, firmness, report, reproduce, sensitivity, words
from wsis.explorer.report import Options
from wsis.explorer.scene import Scene
from wsis.instances import Instance
from wsis.matching import PRESETS, Weights
from wsis.pipeline import Pipeline

NAUGHTY = '"><script>alert(1)</script>$title.jpg'
VOID = {"meta", "img", "br", "hr", "line", "circle", "polygon", "text"}


class Page(HTMLParser):
    """Collects tags, links and text, and checks that what opens also closes."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def scene() -> Scene:
    return Scene(small_analysis(), photo="a cat & a dog.jpg")


def test_the_page_holds_everything_itself(scene):
    content = report.html(scene, "tiny", Options(date(2026, 3, 4), "CPU · 2 threads"))
    page = Page(content)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not re.findall(r"@import|url\(|https?://", content)
    for text in ("a cat & a dog.jpg", "4 March 2026", "tiny", "CPU · 2 threads", "128 x 96"):
        assert text in page.text
    assert "prefers-color-scheme: dark" in content
    assert "@media print" in content


def test_each_instance_has_a_row_and_its_strip(scene):
    page = Page(report.html(scene, "tiny"))
    panels = 7  # photo, class map, naive, spread, V, proposal, mask
    assert page.tags.count("img") == 1 + 2 * panels
    assert page.tags.count("article") == 2
    for one in scene.found:
        assert f"{one.name} " in page.text
    assert page.text.count("How firm is this choice?") == 2
    first = Page(report.html(replace(scene, chosen_step=0), "tiny"))
    assert first.tags.count("img") == 1 + 2 * (panels - 1)


def test_the_row_of_an_object_tells_of_its_own_map(monkeypatch):
    made = with_objects()
    terms = made.objects.terms.copy()
    terms[0] = (0.5, 0.5, 0.5), (0.9, 0.5, 0.6), (0.6, 0.5, 0.7)
    made = replace(made, objects=replace(made.objects, terms=terms))
    monkeypatch.setattr("wsis.explorer.scene.shown", tuple)  # found or not
    region, single = (one for one in Scene(made).found if one.peak == 0)
    assert (region.hypothesis, single.hypothesis, single.proposal) == ("region", "object", 1)
    rows = [re.split(r"\s*<[^>]*>\s*", row) for row in report.html(Scene(made), "tiny").split("<tr")]
    rows = [[cell for cell in row if cell] for row in rows]
    (row,) = [row for row in rows if "precision, .205 ahead of the runner-up" in row]
    assert row[1:6] == ["cat", ".225", ".90", ".50", ".60"]
    (row,) = [row for row in rows if row[1:3] == ["cat", ".900"]]
    assert row[3:6] == ["1.00"] * 3


def test_how_firm_a_choice_is_tells_of_the_map_that_it_was_made_on():
    made = with_objects()
    terms = made.objects.terms.copy()
    terms[0] = (0.5, 0.5, 0.5), (0.9, 0.5, 0.6), (0.6, 0.5, 0.7)  # 1 wins by precision, 2 by what gamma weighs
    scene = Scene(replace(made, objects=replace(made.objects, terms=terms)))
    single = Instance(0, "cat", 0.2, 0, 1, "object")
    region = replace(single, proposal=sensitivity.plane(scene).winner, hypothesis="region")
    assert np.array_equal(sensitivity.plane(scene, instance=region).places, sensitivity.plane(scene).places)
    assert sensitivity.summary(scene, "alpha", "gamma", region) == sensitivity.summary(scene, "alpha", "gamma")
    seen = sensitivity.plane(scene, instance=single)
    assert seen.winner == 1
    assert {one.proposal for one in seen.regions} == {1, 2}
    alpha, gamma = seen.span  # 1 wins where α > γ / 3
    assert seen.share == pytest.approx(1 - gamma / (6 * alpha))
    assert f"keeps winning until α falls to {words.weight(scene.weights.gamma / 3, alpha)}" in sensitivity.summary(
        scene, "alpha", "gamma", single
    )


def test_how_a_proposal_counts_is_said_where_it_does(scene):
    assert "r·(" not in report.html(scene, "tiny")
    evidence = replace(scene.analysis.evidence, objectness=np.array([0.2, 0.5, 1.0], np.float32))
    page = Page(report.html(replace(scene, analysis=replace(scene.analysis, evidence=evidence)), "tiny"))
    assert "S(P) = r·(α·precision + β·contour + γ·recall)" in " ".join(page.text.split())
    assert ".60 to 1" in page.text
    assert "times how likely the mask is one whole object, at most 1" in page.text
    of_others = replace(scene.analysis, evidence=evidence, settings=replace(scene.analysis.settings, reading="iou"))
    page = Page(report.html(replace(scene, analysis=of_others), "tiny"))  # which counts it in scores alone
    assert "r·(" not in page.text
    assert "times how likely the mask is one whole object, at most 1" in page.text


def test_names_are_escaped_and_never_expanded(scene):
    content = report.html(replace(scene, photo=NAUGHTY), f"<b>{NAUGHTY}")
    page = Page(content)
    assert "script" not in page.tags
    assert NAUGHTY in page.text


def test_what_was_found_in_words(scene):
    assert report.told(scene).startswith(
        "Two instances found: a cat and a dog. The surest is a cat with a score of .90,"
    )
    assert "nearly the same" not in " ".join(doubts.sentences(scene))
    same = scene.analysis.terms.copy()
    same[:, 1] = same[:, 0]  # the dog's peak takes the cat's proposal
    both = Scene(replace(scene.analysis, terms=same, overlaps=scene.analysis.overlaps[:, [0, 0]]))
    assert "The masks of cat and dog are nearly the same" in " ".join(doubts.sentences(both))
    assert "Likely wrong" in report.html(both, "tiny")
    nothing = Scene(empty_scene().analysis)
    assert report.told(nothing).startswith("Nothing was found")
    assert "cat (.90)" in report.told(nothing)


def test_what_is_unsure_is_named_and_not_drawn(scene):
    high = replace(scene.analysis.settings, semantic_threshold=0.85)
    doubted = Scene(replace(scene.analysis, settings=high))
    assert [one.name for one in doubted.found] == ["cat"]
    assert [one.name for one in doubted.unsure] == ["dog"]
    content = report.html(doubted, "tiny")
    assert "Unsure, neither drawn nor counted: dog" in content
    assert "One instance found: a cat." in content


def test_an_empty_scene_has_a_page_too():
    page = Page(report.html(empty_scene(), "tiny"))
    assert page.tags.count("img") == 1
    assert "Nothing was found" in page.text
    assert "article" not in page.tags


def test_many_instances_stay_small(scene):
    many = replace(scene)
    found = tuple(replace(scene.found[0], score=0.9 - i / 1000) for i in range(60))
    many.__dict__["found"] = found
    content = report.html(many, "tiny")
    page = Page(content)
    assert page.tags.count("article") == report.SHOWN
    assert "The 8 best of 60 instances" in page.text
    assert page.text.count(firmness.reason(many, found[0])) == 60


def test_limits_and_hashes_come_from_the_card(scene):
    card = {
        "text": "# m\n\n## Limits\n\n- Blind to *boats*.\n- One seed.\n\n## Licence\n\n- Free.\n",
        "modules": {"classifier": {"file": "c.safetensors", "sha256": "ab" * 32}},
    }
    model = Checkpoint("mine", classifier=None, card=card)  # type: ignore[arg-type]
    assert report.limits(model) == ("Blind to *boats*.", "One seed.")
    assert report.limits("mine") == report.LIMITS
    page = Page(report.html(scene, model))
    assert "One seed." in page.text
    assert "ab" * 32 in page.text
    assert provenance.version() in page.text


def test_the_embedded_models_limits_are_found():
    text = (ROOT / "checkpoints" / "voc-lite" / "README.md").read_text(encoding="utf-8")
    model = Checkpoint("voc-lite", classifier=None, card={"text": text})  # type: ignore[arg-type]
    assert any("people" in limit for limit in report.limits(model))


def test_the_command_line_makes_the_same_instances(tiny_checkpoint: Path, tmp_path: Path, photo: np.ndarray):
    file = tmp_path / "a cat's photo.png"
    photo = photo[:128, 100:260]
    file.write_bytes(export.rgb_png(photo))
    pipeline = Pipeline.load(str(tiny_checkpoint), device="cpu")
    settings = Settings("icn-proposal", steps=3, naive="mixed", mode="gradient", classes=("cat",), reading="penalty")
    analysis = pipeline.analyse(photo, settings)
    scene = Scene(analysis, str(file), chosen_step=2, preset="penalty", weights=Weights(0.7, 0.1, 0.05))
    assert scene.found
    python, dash_m, package, *arguments = shlex.split(reproduce.command(scene, str(tiny_checkpoint)))
    assert (python, dash_m, package) == ("python", "-m", "wsis")
    arguments[arguments.index("results")] = str(tmp_path / "out")
    done = CliRunner().invoke(cli.app, [*arguments, "--device", "cpu", "--quiet"])
    assert done.exit_code == 0, done.output
    entries = export.coco_results(analysis, scene.found, stem=file.stem, file_name=file.name)
    assert (tmp_path / "out" / "instances.json").read_text() == files.as_json(entries)
    names: dict = {}
    exec(reproduce.snippet(scene, str(tiny_checkpoint)), names)
    assert [(one.peak, one.proposal) for one in names["instances"]] == [(o.peak, o.proposal) for o in scene.found]
    assert (names["masks"][0] == analysis.mask(scene.found[0])).all()


def test_what_the_command_line_cannot_say_is_said(scene):
    assert "cannot set" not in report.html(scene, "tiny")
    other = replace(scene.analysis, settings=replace(scene.analysis.settings, window=3, sigma=1.0))
    assert "cannot set sigma, window" in report.html(replace(scene, analysis=other), "tiny")


def test_published_weights_need_no_options(scene):
    assert "--alpha" not in reproduce.command(scene, "tiny")
    assert "--fill 0" in reproduce.command(scene, "tiny")
    assert "fill" not in reproduce.snippet(scene, "tiny")
    tiny = replace(scene, weights=Weights(0.8, 1.0, 1e-5), analysis=replace(
        scene.analysis, settings=replace(scene.analysis.settings, reading="prm-2018")
    ))  # fmt: skip
    assert PRESETS["prm-2018"].weights == tiny.weights
    assert reproduce.command(tiny, "tiny").endswith("--preset prm-2018")


def test_strip_png_is_a_picture_of_all(scene):
    image = Image.open(io.BytesIO(downloads.strip_png(scene.analysis, scene.found, scene.step)))
    assert image.format == "PNG"
    assert image.height > 2 * 160
