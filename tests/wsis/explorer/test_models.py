"""Several models in one server: which are offered, which stay loaded, and what visitors and programs see of them."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from tests.helpers.attentive import AttentivePipeline
from wsis import checkpoints
from wsis.analysis import Settings
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.explorer import models, payload
from wsis.explorer.api import Api
from wsis.explorer.handlers import Handlers
from wsis.explorer.models import Models
from wsis.explorer.visit import Controls
from wsis.image import read
from wsis.pipeline import Pipeline

OWN = ("cat", "spoon")
BACKBONE = "tf_efficientnet_lite0"
TAB = SimpleNamespace(session_hash="tab")


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return AttentivePipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def spoons(tiny_checkpoint, tmp_path_factory):
    """A folder of taught models with one, `spoons`: its own classifier, all other networks as in `tiny`."""
    home = tmp_path_factory.mktemp("taught")
    shutil.copytree(tiny_checkpoint, home / "spoons")
    options = {"backbone": BACKBONE, "classes": list(OWN)}
    checkpoints.save_module(Classifier(BACKBONE, OWN), home / "spoons", "classifier", options)
    return home


@pytest.fixture
def alone(monkeypatch):
    """No embedded models, so that only what a test makes is offered."""
    monkeypatch.setattr(checkpoints, "names", tuple)
    monkeypatch.setattr(models, "OWN", None)


@pytest.fixture
def folder(tmp_path, tiny_checkpoint, alone):
    """Makes folders that read like checkpoints; what loads them does not look at the networks' files."""

    def make(*names):
        for name in names:
            (tmp_path / name).mkdir(parents=True)
            shutil.copy(tiny_checkpoint / "config.json", tmp_path / name)
        return tmp_path

    return make


class Loader:
    """Loads any folder as the same networks under another name, and notes it."""

    def __init__(self, pipeline):
        self.pipeline, self.loaded, self.rows, self.during = pipeline, [], list, []

    def __call__(self, source, told):
        told(0.5)
        self.during = self.rows()
        self.loaded.append(source.rpartition("/")[2])
        return Pipeline(replace(self.pipeline.checkpoint, name=source))


def of(pipeline, home, **options):
    loader = Loader(pipeline)
    return Models(pipeline, folder=home, load=loader, **options), loader


# --- the registry ----------------------------------------------------------------------------------------------------


def test_while_a_model_is_loaded_its_row_says_how_far(pipeline, folder):
    served, loader = of(pipeline, folder("a"))
    loader.rows = served.rows
    served.get("a")
    assert [(row.name, row.state, row.note) for row in loader.during][1] == ("a", "loading", "loading, 50%")
    assert [row.state for row in served.rows()] == ["loaded", "loaded"]


def test_what_is_named_embedded_and_taught_is_offered_under_names_of_its_own(pipeline, folder, monkeypatch):
    home = folder("taught/mine", "taught/.half-written", "other/mine", "other/tiny")
    monkeypatch.setattr(checkpoints, "names", lambda: ("voc-lite",))
    named = [str(home / "other/mine"), str(home / "other/../other/mine"), str(home / "other/tiny"), "timm:resnet18"]
    served = Models(pipeline, named, folder=home / "taught")
    assert [*served.known()] == ["tiny", "mine", "other/tiny", "timm:resnet18", "voc-lite", "taught/mine"]
    assert served.first == "tiny"
    (home / "taught/later").mkdir()
    assert "later" not in served.known()
    shutil.copy(home / "taught/mine/config.json", home / "taught/later")
    assert "later" in served.known()
    assert Models(pipeline, folder=home / "none").known()


def test_the_two_used_last_stay_and_what_went_is_loaded_again(pipeline, folder):
    served, loader = of(pipeline, folder("a", "b"))
    tiny, a = served.get(), served.get("a")
    assert served.get("a") is a
    assert served.get() is tiny
    served.get("b")  # a, the longest unused, goes
    assert served.loaded == 2
    assert served.get() is tiny
    assert served.get("a") is not a
    assert loader.loaded == ["a", "b", "a"]
    assert served.get("a").origin.key == a.origin.key


def test_weights_that_models_share_count_once_and_no_more_are_kept_than_fit(pipeline, folder, tiny_checkpoint):
    home = folder("a")
    served, _ = of(pipeline, home)
    alone = served.held
    served.get("a")
    assert (served.loaded, served.held) == (2, alone)
    apart = Models(pipeline, folder=home, load=lambda *_: Pipeline.load(str(tiny_checkpoint)), megabytes=1)
    apart.get("a")  # both do not fit, and one is always there
    assert (apart.loaded, apart.held) == (1, alone)


def test_networks_that_had_to_go_finish_what_they_do(pipeline, folder, photo):
    served, _ = of(pipeline, folder("a", "b", "c"))
    a = served.get("a")
    served.get("b"), served.get("c")
    assert a.whole(photo[:64, :64], Settings(enhancer="none", classes=("cat",))).peaks


def test_who_asks_at_once_waits_for_the_same_networks(pipeline, folder):
    served, loader = of(pipeline, folder("a"))
    with ThreadPoolExecutor(8) as visitors:
        found = [*visitors.map(served.get, ["a"] * 8)]
    assert len({*map(id, found)}) == len(loader.loaded) == 1


def test_a_model_that_was_saved_again_is_loaded_again(pipeline, folder):
    home = folder("a")
    served, loader = of(pipeline, home)
    before = served.get("a")
    config = json.loads((home / "a/config.json").read_text())
    config["modules"]["classifier"]["options"]["classes"] = ["x", "y"]
    (home / "a/config.json").write_text(json.dumps(config))
    assert served.known()["a"].classes == ("x", "y")
    assert served.get("a").origin.key != before.origin.key
    assert loader.loaded == ["a", "a"]
    shutil.rmtree(home / "a")  # what is loaded stays usable
    assert served.get("a")


def test_a_broken_folder_is_a_row_with_its_sentence_until_it_is_mended(pipeline, folder):
    home = folder("a", "b")
    good = (home / "a/config.json").read_text()
    (home / "a/config.json").write_text("{")
    served = Models(pipeline, folder=home)
    rows = {row.name: row for row in served.rows()}
    assert (rows["a"].state, rows["b"].state) == ("broken", "there")
    assert rows["a"].note.startswith("a/config.json is damaged")
    with pytest.raises(WsisError, match=r"^a/config\.json is damaged"):
        served.get("a")
    with pytest.raises(WsisError, match=r"^Weights not found: b/"):  # which only loading finds out
        served.get("b")
    (row,) = (row for row in served.rows() if row.name == "b")
    assert (row.state, row.note) == ("broken", f"Weights not found: b/{row.note.rpartition('/')[2]}")
    assert str(home) not in "".join(row.note for row in served.rows())
    (home / "a/config.json").write_text(good)
    assert {row.name: row.state for row in served.rows()}["a"] == "there"


def test_a_model_that_is_not_there_is_one_sentence(pipeline, folder):
    served, _ = of(pipeline, folder("a"))
    with pytest.raises(WsisError, match=r"^There is no model 'x y' on this server\. Choose one of: tiny, a\.$"):
        served.get("x \n y")
    with pytest.raises(WsisError, match="no model '/etc'"):  # names only, never paths
        served.get("/etc")


def test_the_menu_says_what_a_model_knows_and_what_it_costs(pipeline, spoons, alone):
    served = Models(pipeline, folder=spoons)
    tiny, taught = served.rows()
    assert (tiny.about, tiny.note, tiny.state) == ("20 classes", "loaded", "loaded")
    assert (taught.about, taught.state) == ("cat, spoon", "there")
    assert taught.note.endswith("MB to load")
    served.get("spoons")  # from now on it is known how long that takes
    served.get("spoons")
    assert [row.state for row in served.rows()] == ["loaded", "loaded"]
    timed = Models(pipeline, folder=spoons, seconds=2.0)
    assert timed.rows()[1].note == "loads in about 2 s"


def test_the_menu_says_what_a_model_was_taught_on(pipeline, folder):
    home = folder("mugs", "parts")
    (home / "mugs/metrics.json").write_text('{"taught": {"base": "imagenet-lite"}}')
    for name in ("mugs", "parts"):
        config = json.loads((home / name / "config.json").read_text())
        config["modules"]["contours"] = {"from": "voc-lite", "sha256": "0"}
        (home / name / "config.json").write_text(json.dumps(config))
    about = {row.name: row.about for row in of(pipeline, home)[0].rows()}
    assert about["mugs"].endswith(" · on imagenet-lite")
    assert about["parts"].endswith(" · on voc-lite")


# --- what visitors and programs see of them ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example(tmp_path_factory, photo):
    path = tmp_path_factory.mktemp("examples") / "cat.jpg"
    Image.fromarray(photo[60:190, 60:260]).save(path)
    return path


@pytest.fixture
def handlers(pipeline, spoons, example, alone):
    made = Handlers(Models(pipeline, folder=spoons), {"cat": example})
    yield made
    made.store.close()


def look(handlers, act, now, **data):
    said = {
        "token": None, "other": None, "peak": 0, "step": 3, "preset": "paper", "reading": "cover", "tab": "instances",
        "weights": [0.95, 0.1, 0.8], "enhancer": handlers.enhancer, "compare": "naive", "axes": [0, 2], "dark": False,
    } | now  # fmt: skip
    values = [getattr(Controls.of(handlers.defaults), name) for name in Controls.__dataclass_fields__]
    message = handlers.look(gr.EventData(None, {"act": act, "now": said, **data}), TAB, *values)
    return look(handlers, "finish", now, **message["finish"]) if message["kind"] == "glance" else message


def at(message, **more):
    return {"token": message["token"], "enhancer": message["enhancer"], "model": message["model"], **more}


def test_another_model_looks_at_the_photo_and_the_way_back_needs_no_networks(handlers, monkeypatch):
    first = look(handlers, "open", {})
    assert (first["model"], len(first["classes"])) == ("tiny", 20)
    second = look(handlers, "model", at(first), name="spoons")
    assert (second["model"], [one["name"] for one in second["classes"]]) == ("spoons", [*OWN])
    assert second["photo"] is None  # contours and objectness are the same, so are the proposals
    monkeypatch.setattr(handlers.models, "get", lambda *_: pytest.fail("networks were asked for"))
    event = gr.EventData(None, {"act": "model", "name": "tiny", "now": {}})
    assert handlers.act(event) == "model"
    back = look(handlers, "model", at(second), name="tiny")
    assert (back["token"], back["model"]) == (first["token"], "tiny")
    again = look(handlers, "model", at(back), name="spoons")
    assert again["token"] == second["token"]


def test_a_photo_is_looked_at_by_the_model_that_its_visitor_chose(handlers):
    alone = look(handlers, "example", {"model": "spoons"}, name="cat")
    assert (alone["model"], alone["pristine"]) == ("spoons", False)
    assert look(handlers, "example", {}, name="cat")["model"] == "tiny"
    opened = look(handlers, "open", {"model": "tiny"}, id=alone["token"])
    assert opened["model"] == "spoons"  # a link knows what made its analysis
    switched = look(handlers, "class", at(alone), name="spoon", on=False)
    assert (switched["model"], "spoon" in switched["on"]) == ("spoons", False)
    assert look(handlers, "class", at(alone), name="spoon", on=True, only=True)["on"] == ["spoon"]


def test_without_a_photo_the_choice_holds_for_the_next(handlers):
    told = look(handlers, "model", {}, name="spoons")
    assert (told["kind"], told["chosen"]) == ("models", "spoons")
    assert {row["name"]: row["state"] for row in told["rows"]}["spoons"] == "loaded"
    assert look(handlers, "model", {}, name="none")["text"].startswith("There is no model 'none' on this server.")


def test_a_link_by_a_model_that_is_gone_says_so(handlers):
    message = look(handlers, "open", {"model": "gone"}, example="cat")
    assert message["model"] == "tiny"
    assert message["text"].startswith("There is no model 'gone' on this server.")


def test_enhancer_and_classes_are_those_that_the_model_has(handlers, pipeline, monkeypatch):
    few = replace(pipeline.checkpoint, icns={"icn-proposal": pipeline.checkpoint.icns["icn-proposal"]})
    served = handlers.models
    monkeypatch.setattr(served, "_load", lambda source, _: Pipeline(replace(few, name=source)))
    first = look(handlers, "open", {})
    assert first["enhancer"] == "icn-instances"
    second = look(handlers, "model", at(first), name="spoons")
    assert second["enhancer"] == "spread"  # what it starts with
    assert set(second["enhancers"]) == {"none", "spread", "icn-proposal"}
    named = look(handlers, "class", at(first), name="dog", on=True)
    assert "dog" in named["named"]
    networks = served.get("spoons")
    monkeypatch.setattr(networks, "origin", replace(networks.origin, classes=OWN))
    fitting = networks.fitting(Settings(classes=("dog", "cat"), enhancer="icn-proposal"), served.get().origin)
    assert (fitting.classes, fitting.enhancer) == (("cat",), "icn-proposal")
    called = replace(served.get().origin, synonyms={"feline": ("CAT",), "dog": ("hound",)})
    assert networks.fitting(Settings(classes=("feline", "dog", "cat")), called).classes == ("cat",)
    assert networks.fitting(Settings(classes=("dog",)), served.get().origin).classes is None


def test_two_models_side_by_side(handlers):
    first = look(handlers, "open", {})
    other = look(handlers, "compare", at(first), name="model:spoons")
    assert other["kind"] == "other"
    assert other["other"]["compare"] == "model:spoons"
    assert {peak["name"] for peak in other["other"]["peaks"]} <= {*OWN}
    picked, answer = first["peaks"][first["part"]["peak"]], other["other"]["peaks"][other["part"]["peak"]]
    assert answer["name"] == "cat" or picked["name"] != "cat"
    assert "text" not in other or "proposals" not in other["text"]  # the same for both
    switched = look(handlers, "model", at(first, other=other["otherToken"]), name="spoons")
    assert switched["token"] == other["otherToken"]  # what was compared need not be looked at again
    back = look(handlers, "compare", at(switched), name="model:tiny")
    assert back["otherToken"] == first["token"]
    later = look(handlers, "class", at(first, compare="model:spoons", other=other["otherToken"]), name="dog", on=True)
    assert later["other"]["compare"] == "model:spoons"
    assert later["part"]["other"]["peak"] < len(later["other"]["peaks"])
    same = look(handlers, "compare", at(first), name="model:tiny")
    assert same["other"] is same["otherToken"] is None


def test_a_class_answers_another_by_its_synonyms(pipeline, photo):
    settings = Settings(enhancer="none", classes=("cat", "dog"))
    one, two = (pipeline.analyse(photo[:96, :128], settings) for _ in range(2))
    maps = two.evidence.class_maps
    renamed = tuple({"cat": "wildcat", "dog": "hound"}.get(name, name) for name in maps.classes)
    glance = replace(two.evidence.glance, class_maps=replace(maps, classes=renamed))
    other = replace(two, evidence=replace(two.evidence, glance=glance))
    names = [one.classes[c] for c in one.peaks.classes]
    for names_of in ({"hound": ("dog",), "wildcat": ("cat", "feline")}, {"dog": ("hound",), "cat": ("wildcat",)}):
        answers = [payload.counterpart(one, k, other, names_of) for k in range(len(names))]
        assert [
            *map({"hound": "dog", "wildcat": "cat"}.get, (renamed[other.peaks.classes[j]] for j in answers))
        ] == names


def test_the_peak_that_answers_another_is_the_nearest_of_its_class(pipeline, photo):
    settings = Settings(enhancer="none", classes=("cat", "dog"))
    one = pipeline.analyse(photo[:128, :160], settings)
    assert payload.counterpart(one, 1, one) == 1
    other = pipeline.analyse(photo[:128, :160], settings)
    assert all(payload.counterpart(one, k, other) == k for k in range(len(one.peaks)))
    dogs = pipeline.analyse(photo[:128, :160], replace(settings, classes=("dog",)))
    assert payload.counterpart(one, 0, dogs) in range(len(dogs.peaks))
    assert payload.counterpart(one, 0, pipeline.analyse(photo[:128, :160], replace(settings, classes=()))) is None


def test_files_say_which_model_made_them(handlers):
    first = look(handlers, "open", {})
    second = look(handlers, "model", at(first), name="spoons")
    for message, name in ((first, "tiny"), (second, "spoons")):
        scene = handlers._acts.scene(handlers.store.get(message["token"]), SimpleNamespace(
            peak=0, step=3, preset="paper", weights=None, fill=0))  # fmt: skip
        assert scene.origin.model == name
        assert scene.origin.card["modules"]["classifier"]["sha256"]


def test_programs_name_their_model(handlers, example, monkeypatch):
    monkeypatch.setattr(handlers, "photo", read)
    programs, photo = Api(handlers), {"path": str(example)}
    seen = programs.analyse(photo, "none", 0, classes=["spoon"], model="spoons")
    assert (seen["model"], [*seen["classes"]]) == ("spoons", [*OWN])
    assert {one["category_name"] for one in programs.rank(seen["id"])} == {"spoon"}
    assert programs.analyse(photo, "none", 0, classes=["dog"])["model"] == "tiny"
    with pytest.raises(gr.Error, match=r"There is no model 'x' on this server\. Choose one of: tiny, spoons\."):
        programs.segment(photo, model="x")
    with pytest.raises(gr.Error, match="model must be the name of one"):
        programs.segment(photo, model=7)
