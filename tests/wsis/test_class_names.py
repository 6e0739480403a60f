from __future__ import annotations

import pytest

from wsis import voc
from wsis.class_names import known
from wsis.errors import WsisError


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["cat"], ("cat",)),
        (["Cat", "DOG "], ("cat", "dog")),
        (["potted plant", "TV_Monitor", "Dining-Table"], ("pottedplant", "tvmonitor", "diningtable")),
        (["dog, Potted plant,dog", "cat"], ("dog", "pottedplant", "cat")),
        (["cat,"], ("cat",)),
        ([], ()),
    ],
)
def test_names_as_people_write_them(wanted: list[str], found: tuple[str, ...]) -> None:
    assert known(wanted, voc.CLASSES, "tiny") == found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("airplane", "'airplane'. Did you mean 'aeroplane'?"),
        ("cats", "Did you mean 'cat'"),
        ("cat,unicorn", "does not know the class 'unicorn'. It knows: aeroplane"),
        ("tv", "Did you mean 'tvmonitor'?"),
        ("plant", "'pottedplant'"),
        ("", "does not know the class ''. It knows"),
        (",", "does not know the class ','. It knows"),
    ],
)
def test_an_unknown_name_is_asked_back(name: str, says: str) -> None:
    with pytest.raises(WsisError) as caught:
        known([name], voc.CLASSES, "tiny")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_models_own_names_come_first() -> None:
    classes = ("crane", "Crane", "bow, stern", "bow")
    assert known(["Crane", "bow, stern", "BOW"], classes, "m") == ("Crane", "bow, stern", "bow")
    with pytest.raises(WsisError, match="Did you mean 'crane' or 'Crane'"):
        known(["CRANE"], classes, "m")


def test_of_many_classes_some_are_listed() -> None:
    with pytest.raises(WsisError, match=r"c19 and 80 more\.$"):
        known(["unicorn"], [f"c{i}" for i in range(100)], "m")


WORDS = {"cat": ("pussy cat", "tabby"), "dog": ("Rottweiler", "German shepherd")}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["tabby"], ("cat",)),
        (["german-shepherd, Cat", "rottweiler"], ("dog", "cat")),
    ],
)
def test_synonyms_stand_for_their_class(wanted: list[str], found: tuple[str, ...]) -> None:
    assert known(wanted, voc.CLASSES, "tiny", WORDS) == found


def test_a_synonym_is_offered_where_it_may_be_meant() -> None:
    with pytest.raises(WsisError, match=r"'rottweilers'\. Did you mean 'Rottweiler'\?"):
        known(["rottweilers"], voc.CLASSES, "tiny", WORDS)
