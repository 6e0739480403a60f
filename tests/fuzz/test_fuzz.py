"""Any input is answered rightly or refused with a sentence: properties, every door, and coverage-guided campaigns."""

from __future__ import annotations

import io
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from benchmarks.reliability import inputs
from tests.fuzz import campaign, mutate, seeds
from tests.fuzz.doors import DOORS, door
from tests.fuzz.doors.door import Verdict, judge
from tests.fuzz.doors.photo import TURNS
from tests.fuzz.seeds import SIZE
from wsis import image
from wsis.errors import WsisError
from wsis.explorer.files import LONGEST, safe_stem
from wsis.explorer.visit import Now
from wsis.proposals import ProposalSet, matlab, readers

PHOTOS = seeds.photos()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ARRAYS = arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40), st.just(3)))


@pytest.fixture(scope="module", autouse=True)
def _uploads_of_others():
    """A door names its own folder of uploads in the environment: afterwards other files' servers find theirs again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))  # empty as if it were not set
        yield


def _one_sentence(error: WsisError) -> None:
    assert "\n" not in str(error)


def opened(content: bytes) -> np.ndarray | None:
    """A photo in the promised form; None where it is refused with one sentence."""
    try:
        seen = image.read(content)
    except WsisError as error:
        _one_sentence(error)
        return None
    assert seen.ndim == 3
    assert seen.shape[2] == 3
    assert seen.dtype == np.uint8
    assert seen.flags.writeable
    assert seen.flags.c_contiguous
    return seen


def proposals(path: Path) -> ProposalSet | None:
    """Proposals of the photo's size, none empty; None where they are refused with one sentence."""
    try:
        found = readers.read(path, SIZE)
    except WsisError as error:
        _one_sentence(error)
        return None
    assert found.size == SIZE
    assert found.masks(range(len(found))).any((1, 2)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"BM", b"RIFF"])
)
def test_any_bytes_are_a_photo_or_are_refused(content: bytes, head: bytes) -> None:
    opened(head + content)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(PHOTOS)))
def test_damaged_photos_are_read_or_refused(seed: int, name: str) -> None:
    opened(mutate.mutated(PHOTOS[name], random.Random(seed), list(PHOTOS.values())))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {}),
        ("WEBP", {"lossless": True, "exact": True}),
    ],
)  # fmt: skip
@settings(max_examples=25, deadline=None)
@given(pixels=ARRAYS)
def test_lossless_photos_come_back_equal(kind: str, options: dict, pixels: np.ndarray) -> None:
    assert np.array_equal(image.read(seeds.encoded(pixels, kind, **options)), pixels)
    grey = pixels[..., 0]
    assert np.array_equal(image.read(seeds.encoded(grey, kind, **options)), np.repeat(grey[..., None], 3, 2))


@settings(max_examples=40, deadline=None)
@given(ARRAYS, st.sampled_from(sorted(TURNS)), st.sampled_from(["PNG", "WEBP"]))
def test_photos_of_any_size_are_turned_upright(pixels: np.ndarray, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    stored = np.ascontiguousarray(TURNS[orientation](pixels))
    assert np.array_equal(image.read(seeds.encoded(stored, kind, exif=exif.tobytes(), **options)), pixels)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


MASKS = arrays(bool, st.tuples(st.integers(1, 8), st.just(SIZE[0]), st.just(SIZE[1]))).filter(
    lambda masks: masks.any((1, 2)).all()
)


@settings(max_examples=30, deadline=None)
@given(masks=MASKS, packed=st.booleans())
def test_proposals_in_every_format_come_back_equal(place: Path, masks: np.ndarray, packed: bool) -> None:
    files = {
        "mcg.mat": seeds.mat(seeds.mcg(masks), packed),
        "struct.mat": seeds.mat({"candidates": seeds.mcg(masks)}, packed),
        "masks.mat": seeds.mat({"masks": np.moveaxis(masks, 0, 2)}, packed),
        "prm.json": seeds.text(seeds.prm(masks)),
        "rle.json": seeds.text([seeds.rle(mask) for mask in masks]),
        "runs.json": seeds.text({"annotations": [{"segmentation": seeds.runs(mask)} for mask in masks]}),
    }
    for name, content in files.items():
        (place / name).write_bytes(content)
        found = proposals(place / name)
        assert found is not None, name
        assert np.array_equal(found.masks(range(len(found))), masks), name


@settings(max_examples=30, deadline=None)
@given(index=arrays(np.uint16, SIZE), palette=st.booleans(), deep=st.booleans())
def test_index_images_come_back_equal(place: Path, index: np.ndarray, palette: bool, deep: bool) -> None:
    index = index % 300 if deep else (index % 256).astype(np.uint8)
    (place / "a.png").write_bytes(seeds.index_png(index, palette))
    numbers = [n for n in np.unique(index) if n and (deep or n != 255)]
    found = proposals(place / "a.png")
    assert (found is None) == (not numbers)
    if found is not None:
        assert np.array_equal(found.masks(range(len(found))), np.stack([index == n for n in numbers]))


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".mat", ".json", ".png"]))
def test_any_bytes_are_proposals_or_are_refused(place: Path, content: bytes, suffix: str) -> None:
    (place / f"any{suffix}").write_bytes(content)
    proposals(place / f"any{suffix}")
    (place / "any.mat").write_bytes(seeds.mat({})[:128] + content)
    proposals(place / "any.mat")


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_any_json_is_proposals_or_is_refused(place: Path, value: object) -> None:
    for content in (value, [value], {"annotations": [{"segmentation": value}]}, [{"data": value, "shape": [*SIZE]}]):
        (place / "any.json").write_text(json.dumps(content))
        proposals(place / "any.json")


NUMBERS = st.sampled_from(["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])


@settings(max_examples=60, deadline=None)
@given(st.data(), NUMBERS, st.booleans())
def test_matlab_variables_are_those_that_scipy_reads(data: st.DataObject, kind: str, packed: bool) -> None:
    shape = data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))
    array = data.draw(arrays(kind, tuple(shape), elements=st.integers(0, 100)))
    cell = np.empty((2, 2), object)
    cell[:] = [[array, np.zeros((0, 0))], [np.ones((1, 3)), array[:1]]]
    content = seeds.mat({"array": array, "cell": cell, "struct": {"inner": array}, "text": "abc"}, packed)
    found = matlab.variables(content, 1 << 20)
    scipys = scipy.io.loadmat(io.BytesIO(content))
    for own, theirs in (
        (found["array"], scipys["array"]),
        (found["struct"]["inner"], scipys["struct"]["inner"][0, 0]),
        *zip(found["cell"].ravel(), scipys["cell"].ravel(), strict=True),
    ):
        assert own.shape == theirs.shape
        assert np.array_equal(own, theirs)
    assert found["text"] is matlab.OTHER


def test_matlab_files_of_the_other_byte_order_are_read() -> None:
    def element(kind: int, data: bytes) -> bytes:
        return kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data + bytes(-len(data) % 8)

    flags, dims = np.array([6, 0], ">u4").tobytes(), np.array([2, 3], ">i4").tobytes()
    numbers = np.arange(6, dtype=">f8")
    matrix = element(6, flags) + element(5, dims) + element(1, b"masks") + element(9, numbers.tobytes())
    content = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, matrix)
    assert matlab.variables(content, 1000)["masks"].tolist() == [[0, 2, 4], [1, 3, 5]]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.text("./\\ a\0:*", max_size=20))
def test_any_name_of_a_photo_is_a_safe_stem(name: str) -> None:
    stem = safe_stem(name)
    assert stem
    assert len(stem.encode()) <= LONGEST + 1
    assert not set(stem) & set('/\\<>:"|?*\0\n\r')
    assert stem.strip(". ") == stem
    assert (Path("/some/where") / f"{stem}.png").parent == Path("/some/where")


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from(sorted(seeds.page_message())))
@example(float("inf"), "peak")
@example([10**400, 1, 1], "weights")
def test_any_message_of_the_page_is_read_or_refused(value: object, key: str) -> None:
    for said in (value, seeds.page_message() | {key: value}):
        try:
            now = Now.of(said)
        except WsisError:
            continue
        assert type(now.peak) is int
        assert type(now.step) is int
        assert all(np.isfinite([now.weights.alpha, now.weights.beta, now.weights.gamma]))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, list[Verdict]]:
    """A few inputs of every door, in processes whose memory and patience are limited."""
    return inputs.try_all({kind.name: max(kind.count // 20, 40) for kind in DOORS})


@pytest.mark.slow
@pytest.mark.parametrize("name", [kind.name for kind in DOORS])
def test_every_door_refuses_or_answers_rightly(name: str, verdicts: dict[str, list[Verdict]]) -> None:
    found = verdicts[name]
    assert [one.about for one in found if one.outcome in ("wrong", "crashed")] == []
    assert any(one.outcome == "refused" for one in found)
    assert sum(one.compared for one in found) >= 3


def test_the_same_number_makes_the_same_input(tmp_path: Path) -> None:
    for kind in DOORS:
        first, second = (door(kind.name, tmp_path / kind.name) for _ in range(2))
        for number in range(6):
            assert repr(first.case(random.Random(number))) == repr(second.case(random.Random(number)))


def planted(monkeypatch: pytest.MonkeyPatch, place: Path, name: str, where: str, defect: object) -> set[str]:
    """Outcomes of a door with a defect planted in the package."""
    one = door(name, place)
    monkeypatch.setattr(where, defect)
    return {judge(one, number).outcome for number in range(60)}


def test_the_checks_see_wrong_pixels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = image.read
    for defect in (
        lambda source: np.ascontiguousarray(read(source)[..., ::-1]),
        lambda source: np.ascontiguousarray(read(source).swapaxes(0, 1)),
        lambda source: read(source).astype(np.int32),
    ):
        assert "wrong" in planted(monkeypatch, tmp_path, "photo", "wsis.image.read", defect)


def test_the_checks_see_wrong_masks_and_other_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = readers.read

    def shifted(path: Path, size: tuple[int, int]) -> ProposalSet:
        found = read(path, size)
        return ProposalSet(np.roll(found.labels, 1, 0), found.membership, found.scores, found.source)

    def backwards(path: Path, size: tuple[int, int]) -> ProposalSet:
        found = read(path, size)
        return ProposalSet(found.labels, found.membership[::-1], found.scores, found.source)

    def broken(path: Path, size: tuple[int, int]) -> ProposalSet:
        raise KeyError(path)

    def never(path: Path, size: tuple[int, int]) -> ProposalSet:
        raise WsisError("No.")

    def chatty(path: Path, size: tuple[int, int]) -> ProposalSet:
        raise WsisError("Traceback\nand so on")

    for name in ("proposals .mat", "proposals .json", "proposals .png"):
        for defect in (shifted, backwards, never, chatty):
            assert "wrong" in planted(monkeypatch, tmp_path, name, "tests.fuzz.doors.proposals.read", defect), defect
        assert planted(monkeypatch, tmp_path, name, "tests.fuzz.doors.proposals.read", broken) == {"crashed"}


def test_the_checks_see_a_wrong_winner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def worst(terms: np.ndarray, scores: np.ndarray, weights: object) -> int:
        return int(scores.argmin())

    for name in ("page messages", "API arguments"):
        assert "wrong" in planted(monkeypatch, tmp_path, name, "wsis.instances._best", worst)


@pytest.mark.slow
def test_a_hang_and_a_signal_are_laid_at_the_right_door(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = inputs.Worker()
    verdict = worker.judged("photo", 0, patience=60)
    assert verdict.outcome in ("accepted", "refused")
    assert "more than 0 s" in worker.judged("checkpoint folder", 7, patience=0).about
    assert not worker.alive
    other = inputs.Worker()
    os.kill(other._process.pid, 11)
    assert "ended the process, exit code -11" in other.judged("photo", 3, patience=60).about


def test_rows_and_details_count_what_happened() -> None:
    one = {"tried": 12_000, "refused": 9_000, "accepted": 3_000, "compared": 2_500, "wrong": 0, "crashed": 0}
    guided = {"photo": {"executions": 500, "crashes": 0}}
    figures = {"least": 10_000, "doors": {"photo": one}, "campaigns": guided, "faults": [{"about": "photo 7: no"}]}
    (row,) = inputs.rows(figures)
    assert row.held
    assert row.got == "12,000 tried and 500 by coverage, 0 crashed, 0 wrong answers"
    assert "| photo | 12,000 | 9,000 | 3,000 | 2,500 | 0 | 0 |" in inputs.details(figures)
    assert "photo 7: no" in inputs.details(figures)
    for change in (
        {"doors": {"photo": one | {"wrong": 1}}},
        {"doors": {"photo": one | {"crashed": 1}}},
        {"doors": {"photo": one | {"tried": 9_999}}},
        {"campaigns": {"photo": {"executions": 5, "crashes": 1}}},
    ):
        assert not inputs.rows(figures | change)[0].held


@pytest.mark.skipif(not campaign.installed(), reason="atheris is not installed; it has wheels for Linux")
@pytest.mark.parametrize("target", ["photo", "proposals"])
def test_a_short_campaign_finds_no_crash(target: str) -> None:
    done = campaign.campaign(f"tests.fuzz.{target}", "-runs=2000", "-seed=1")
    assert not done.crashed, done.output[-3000:]
    assert done.executions >= 2000


@pytest.mark.skipif(not campaign.installed(), reason="atheris is not installed; it has wheels for Linux")
def test_a_campaign_sees_a_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = "def check(data):\n    if data:\n        raise KeyError('planted')\n"
    code = f"from tests.fuzz.campaign import main\n{check}main('planted', lambda: {{'a': b'abc'}}, check)\n"
    (tmp_path / "planted.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = campaign.campaign("planted", "-runs=100")
    assert done.crashed
    assert "KeyError: 'planted'" in done.output
