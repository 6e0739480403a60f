from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from train.imagenet import build, evaluate, kinds, wordnet
from train.imagenet.wordnet import Synset
from wsis import metrics
from wsis.errors import WsisError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def synsets() -> dict[str, Synset]:
    return wordnet.read()


@pytest.fixture(scope="module")
def found(synsets: dict[str, Synset]) -> tuple[kinds.Kind, ...]:
    return kinds.kinds(synsets, wordnet.leaves(), kinds.stops())


def test_the_data_file_is_a_hierarchy_below_one_root(synsets):
    leaves = wordnet.leaves()
    assert len(set(leaves)) == 1000
    assert set(leaves) <= set(synsets)
    assert [number for number, one in synsets.items() if not one.parents] == ["n00001740"]  # entity
    heights: dict[str, int] = {}

    def height(number: str, below: tuple[str, ...] = ()) -> int:
        assert number not in below, "a circle"
        if number not in heights:
            heights[number] = 1 + max((height(p, (*below, number)) for p in synsets[number].parents), default=0)
        return heights[number]

    assert max(map(height, synsets)) < 25
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in wordnet.FILE.read_text()


def test_every_class_is_in_exactly_one_kind_and_names_and_synonyms_are_of_one(found):
    assert sorted(row for kind in found for row in kind.members) == list(range(1000))
    names = [kind.name for kind in found]
    words = [word.casefold() for kind in found for word in (kind.name, *kind.synonyms)]
    assert len(set(names)) == len(names)
    assert len(set(words)) == len(words)


def test_kinds_are_what_people_say(found, synsets):
    names = build.names(synsets, wordnet.leaves())
    assert len(set(names)) == 1000
    by_name = {kind.name: [names[row] for row in kind.members] for kind in found}
    assert len(by_name["dog"]) == 118
    assert {"Rottweiler", "Chihuahua", "basset"} <= set(by_name["dog"])
    assert {"tabby", "Persian cat"} <= set(by_name["cat"])
    assert "sports car" in by_name["car"]
    assert by_name["horse"] == ["sorrel"]
    assert "Rottweiler" in next(kind for kind in found if kind.name == "dog").synonyms


def test_the_rule_on_a_small_hierarchy():
    def one(words: str, parents: str = "", count: int = 0) -> Synset:
        return Synset(tuple(words.split("; ")), tuple(parents.split()), count)

    small = {
        "a": one("animal", count=99), "d": one("dog; hound dog", "a", 9), "h": one("hunting dog", "d", 1),
        "e": one("equine", "a"), "p": one("horse", "e", 50), "1": one("beagle", "h"), "2": one("boxer", "d", 2),
        "3": one("sorrel", "p"), "4": one("eel", "a", 3),
    }  # fmt: skip
    made = kinds.kinds(small, ("1", "2", "3", "4"), frozenset({"animal"}))
    assert [(kind.name, kind.members) for kind in made] == [("dog", (0, 1)), ("horse", (2,)), ("eel", (3,))]
    assert set(made[0].synonyms) == {"hound dog", "hunting dog", "beagle", "boxer"}


def test_the_data_file_is_made_of_wordnets_own(tmp_path: Path):
    (tmp_path / "data.noun").write_text(
        "  1 licence\n"
        "00001740 03 n 01 entity 0 000 | all\n"
        '00000010 05 n 02 dog 0 domestic_dog 0 002 @ 00001740 n 0000 ~ 00000011 n 0000 | a pet; "quoted"\n'
        "00000011 05 n 01 Hound 2 001 @i 00000010 n 0000 | a dog | of some kind\n"
        "00000012 05 n 01 cat 0 001 @ 00001740 n 0000 | not asked for\n"
    )
    (tmp_path / "cntlist.rev").write_text("dog%1:05:00:: 1 42\ndog%1:18:00:: 2 9\nhound%1:05:02:: 1 3\n")
    made = wordnet.extract(tmp_path, ["n00000011"])
    assert made == {
        "n00000011": Synset(("Hound",), ("n00000010",), 3),
        "n00000010": Synset(("dog", "domestic dog"), ("n00001740",), 42),
        "n00001740": Synset(("entity",), (), 0),
    }
    wordnet.write(tmp_path / "out.tsv", made)
    assert wordnet.read(tmp_path / "out.tsv") == made
    with pytest.raises(WsisError, match=r"no noun n00000099: expected WordNet 3\.0"):
        wordnet.extract(tmp_path, ["n00000099"])
    with pytest.raises(WsisError, match="holds no WordNet"):
        wordnet.extract(tmp_path / "none", ["n00000011"])


def test_the_embedded_folder_is_what_the_script_makes():
    folder = ROOT / "checkpoints" / "imagenet-lite"
    modules = json.loads((folder / "config.json").read_text())["modules"]
    assert modules["classifier"]["options"] == json.loads(json.dumps(build.options()))
    assert (folder / "classifier.safetensors").stat().st_size <= 13e6
    assert {name: entry.get("from") for name, entry in modules.items() if name != "classifier"} == dict.fromkeys(
        ("contours", "objectness", "icn-instances", "icn-proposal", "icn-saliency"), "voc-lite"
    )


def test_every_kind_of_the_table_is_there(found):
    names = {kind.name for kind in found}
    table = evaluate.table()
    assert set(table) <= names
    assert len(set(table.values())) == 19  # all but the person


def test_figures_count_photos_with_a_counterpart_and_instances():
    def photo(right: bool | None, found: list[bool]) -> evaluate.PhotoScores:
        overlaps = np.diag([0.9 if hit else 0.2 for hit in found]).astype(np.float32)
        truth = np.zeros(len(found), np.int64)
        return evaluate.PhotoScores(
            right, 2, np.array(found), metrics.image_result(overlaps, truth, np.ones(len(found)), truth)
        )

    row = evaluate.figures([photo(True, [True, True]), photo(False, [False, True]), photo(None, [])])
    assert row["right_among_five"] == 0.5
    assert row["found"] == 0.75
    assert row["photos"] == 3
    assert row["instances"] == 4
    assert "| all | 3 | 4 | 50.0% | 2.0 | 1.3 | 75.0% |" in evaluate.markdown({"all": row})
