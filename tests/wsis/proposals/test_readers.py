"""Every reader gives back the masks that were written, and says what is wrong with a wrong file."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from pycocotools import mask as coco_mask

from tests.fuzz.seeds import grey_png
from wsis import index_image
from wsis.errors import WsisError
from wsis.proposals import ProposalSet
from wsis.proposals.readers import read

SIZE = (30, 41)


@pytest.fixture
def masks(rng: np.random.Generator) -> np.ndarray:
    result = np.zeros((6, *SIZE), bool)
    for i, mask in enumerate(result):
        y, x = rng.integers(0, 15, 2)
        mask[y : y + 5 + 2 * i, x : x + 4 + 3 * i] = True
    result[0, 0, 0] = result[0, -1, -1] = True  # runs that touch both ends of the flattened mask
    return result


def cells(lists: list[np.ndarray]) -> np.ndarray:
    array = np.empty((len(lists), 1), object)
    for i, numbers in enumerate(lists):
        array[i, 0] = numbers
    return array


def mcg(masks: np.ndarray) -> dict:
    """Variables as im2mcg writes them: superpixels counted from 1, one list of them per proposal."""
    keys, labels = np.unique(masks.reshape(len(masks), -1).T, axis=0, return_inverse=True)
    superpixels = (labels.reshape(SIZE) + 1).astype(np.uint16)
    lists = [np.flatnonzero(keys[:, i])[None].astype(np.uint16) + 1 for i in range(len(masks))]
    return {"superpixels": superpixels, "labels": cells(lists)}


def prm(masks: np.ndarray) -> list[dict]:
    entries = []
    for mask in masks:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.ravel(), [0]])))
        runs = np.stack([edges[::2] + 1, edges[1::2] - edges[::2]], axis=1).astype("<i4")
        entries.append({"data": base64.b64encode(runs.tobytes()).decode(), "shape": list(SIZE)})
    return entries


def rle(mask: np.ndarray) -> dict:
    encoded = coco_mask.encode(np.asfortranarray(mask))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def same(proposals: ProposalSet, masks: np.ndarray) -> bool:
    return len(proposals) == len(masks) and bool((proposals.masks(range(len(masks)), SIZE) == masks).all())


@pytest.mark.parametrize("nested", [False, True], ids=["variables", "struct"])
def test_mcg(tmp_path: Path, masks: np.ndarray, nested: bool) -> None:
    content = mcg(masks)
    scipy.io.savemat(tmp_path / "a.mat", {"candidates": content} if nested else content)
    assert same(read(tmp_path / "a.mat", SIZE), masks)


def test_mcg_scores_rank(tmp_path: Path, masks: np.ndarray) -> None:
    scores = np.array([0.1, 2.1, 0.6, 0.4, 1.1, 0.2])
    scipy.io.savemat(tmp_path / "a.mat", mcg(masks) | {"scores": scores[:, None]})
    proposals = read(tmp_path / "a.mat", SIZE)
    assert same(proposals, masks[np.argsort(-scores)])
    assert proposals.scores.tolist() == pytest.approx([1, 0.5, 0.25, 0.15, 0.05, 0])


def test_mat_masks(tmp_path: Path, masks: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"masks": masks.transpose(1, 2, 0)})
    assert same(read(tmp_path / "a.mat", SIZE), masks)


def test_prm(tmp_path: Path, masks: np.ndarray) -> None:
    assert same(read(write(tmp_path / "a.json", prm(masks)), SIZE), masks)


@pytest.mark.parametrize("encode", [rle, uncompressed])
def test_rle_lists_and_results(tmp_path: Path, masks: np.ndarray, encode: object) -> None:
    assert same(read(write(tmp_path / "a.json", [encode(m) for m in masks]), SIZE), masks)
    results = [{"image_id": 7, "segmentation": encode(m), "score": 0.9 - i / 10} for i, m in enumerate(masks)]
    proposals = read(write(tmp_path / "b.json", results[::-1]), SIZE)
    assert same(proposals, masks)
    assert proposals.scores[0] == pytest.approx(0.9)


def test_rle_with_long_and_shrinking_runs(tmp_path: Path, rng: np.random.Generator) -> None:
    noise = rng.random((300, 400)) < rng.random(400) ** 3
    noise[:, 100:350] = False
    path = write(tmp_path / "a.json", [rle(noise), rle(~noise)])
    assert (read(path, noise.shape).masks([0, 1]) == np.stack([noise, ~noise])).all()


def test_polygons(tmp_path: Path) -> None:
    entry = {"image_id": 1, "segmentation": [[5, 5, 15, 5, 15, 20, 5, 20]]}
    mask = read(write(tmp_path / "a.json", {"annotations": [entry]}), SIZE).mask(0)
    assert mask[5:20, 5:15].all()
    assert mask.sum() == 150


def test_one_image_of_several(tmp_path: Path, masks: np.ndarray) -> None:
    images = [{"id": 3, "file_name": "first.jpg"}, {"id": 4, "file_name": "x/second.jpg"}]
    entries = [{"image_id": 3 + i % 2, "segmentation": rle(m)} for i, m in enumerate(masks)]
    path = write(tmp_path / "second.json", {"images": images, "annotations": entries})
    assert same(read(path, SIZE), masks[1::2])
    assert same(read(path, SIZE, "first"), masks[::2])
    assert same(read(path, SIZE, 3), masks[::2])
    with pytest.raises(WsisError, match="no proposals for image 'third'"):
        read(path, SIZE, "third")


def test_label_png(tmp_path: Path) -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[3:9, 4:9], labels[10:20, 4:30], labels[25:, :] = 1, 7, 255
    image = Image.fromarray(labels)
    image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "a.png")
    assert same(read(tmp_path / "a.png", SIZE), np.stack([labels == 1, labels == 7]))
    Image.fromarray(labels.astype(np.uint16) * 200).save(tmp_path / "b.png")
    assert len(read(tmp_path / "b.png", SIZE)) == 3  # 255 is a number of 16 bits


@pytest.mark.parametrize("name", ["a.mat", "a.json", "coco.json", "a.png"])
def test_another_size_is_refused(tmp_path: Path, masks: np.ndarray, name: str) -> None:
    scipy.io.savemat(tmp_path / "a.mat", mcg(masks))
    write(tmp_path / "a.json", prm(masks))
    write(tmp_path / "coco.json", [rle(m) for m in masks])
    Image.fromarray(masks[0].astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(WsisError, match="41 x 30 pixels, but the photo has 30 x 41"):
        read(tmp_path / name, SIZE[::-1])


BAD_RUNS = base64.b64encode(np.array([[SIZE[0] * SIZE[1], 2]], "<i4").tobytes()).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds no proposals: expected a list of PRM runs"),
        ("[1, 2]", "holds no proposals"),
        ('{"boxes": []}', "found an object with boxes"),
        ('[{"bbox": [1, 2, 3, 4]}]', "expected a COCO RLE"),
        ('[{"data": "?", "shape": [30, 41]}]', "not base64"),
        ('[{"data": "AAAA", "shape": [30, 41]}]', "pairs of 32-bit numbers"),
        (json.dumps([{"data": BAD_RUNS, "shape": [30, 41]}]), "a run leaves the mask of 1230 pixels"),
        ('[{"data": "", "shape": [30, 41]}]', "Proposal 0 of .* covers no pixel"),
        ('[{"size": [30, 41], "counts": [5, 5]}]', "the runs add up to 10"),
        ('[{"size": [30, 41], "counts": "zzzzzzzzzz"}]', "expected a COCO RLE"),
        ('[{"size": [30, 41], "counts": [0, 1230], "score": "high"}]', "numeric score"),
        ('[{"size": [30, 41], "counts": [0, 1230], "score": 1' + 400 * "0" + "}]", "not a finite number"),
        ('[{"segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}]', "far outside the photo"),
        ('[{"segmentation": [[0, 0, NaN, 0, 9, 9]]}]', "far outside the photo"),
        ('[{"segmentation": [[1, 2, 3, 4]]}]', "at least three points"),
        ('[{"segmentation": [{"size": [3, 3], "counts": [0, 9]}]}]', "expected a COCO RLE"),
        ('{"a\\nb": []}', "an object with a b$|an object with a b[.]"),
        (json.dumps([{"size": ["9" * 5000, 1], "counts": [0]}]), "a photo of 1 x 9{77}[.]{3} pixels"),
    ],
)
def test_wrong_json_says_what_was_found(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(WsisError, match=message):
        read(tmp_path / "a.json", SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": cells([np.array([[999]])])}, "names superpixel 999"),
        ({"labels": cells([np.zeros((1, 0))])}, "lists no superpixel"),
        ({"labels": np.ones((3, 3))}, "expected 'labels' as a cell array"),
        ({"scores": np.ones((2, 1))}, "expected 6 finite 'scores'"),
        ({"scores": np.full((6, 1), 1j)}, "expected 6 finite 'scores'"),
        ({"scores": {"a": np.ones((6, 1))}}, "expected 6 finite 'scores'"),
        ({"labels": "text"}, "expected superpixel numbers in 'labels'"),
    ],
)
def test_wrong_mcg_says_what_was_found(tmp_path: Path, masks: np.ndarray, change: dict, message: str) -> None:
    scipy.io.savemat(tmp_path / "a.mat", mcg(masks) | change)
    with pytest.raises(WsisError, match=message):
        read(tmp_path / "a.mat", SIZE)


def test_other_files_are_refused_with_what_was_expected(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "other.mat", {"ucm2": np.ones(SIZE)})
    # the first 128 bytes of a v7.3 file: text, then version 0x0200
    (tmp_path / "hdf.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" + bytes(500))
    (tmp_path / "broken.mat").write_bytes(b"nothing of the kind" * 20)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and no more")
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "colour.png")
    Image.new("L", SIZE[::-1]).save(tmp_path / "empty.png")
    (tmp_path / "a.pkl").write_bytes(b"")
    for name, message in {
        "other.mat": "expected the variables 'superpixels'.*found ucm2",
        "hdf.mat": "MATLAB 7.3 .HDF5. file; save it with -v7",
        "broken.mat": "not a readable MATLAB file",
        "broken.png": "not a readable PNG",
        "colour.png": "a colour image .RGB.; expected an index PNG",
        "empty.png": "no index besides 0",
        "a.pkl": "expected .mat",
        "missing.json": "There is no proposal file",
    }.items():
        with pytest.raises(WsisError, match=message):
            read(tmp_path / name, SIZE)


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_read(
    tmp_path: Path, masks: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.mat"
    scipy.io.savemat(path, {"masks": np.zeros((*masks.shape[1:], 2000), np.uint8)}, do_compression=True)
    monkeypatch.setattr("wsis.proposals.readers.checks.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("wsis.proposals.matlab._Reader.matrix", lambda *_, **__: pytest.fail("it was read"))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(WsisError, match="unpacks to more than"):
        read(path, masks.shape[1:])


def test_packed_and_plain_files_of_moderate_size_are_read(tmp_path: Path, masks: np.ndarray) -> None:
    for packed in (False, True):
        path = tmp_path / f"{packed}.mat"
        scipy.io.savemat(path, {"masks": np.moveaxis(masks, 0, 2).astype(np.uint8)}, do_compression=packed)
        assert same(read(path, masks.shape[1:]), masks)


def test_too_many_proposals_over_too_many_regions_are_refused(
    tmp_path: Path, masks: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsis.proposals.readers.checks.MOST_CELLS", 1000)
    height, width = masks.shape[1:]
    Image.fromarray(np.arange(height * width, dtype=np.uint16).reshape(height, width)).save(tmp_path / "many.png")
    lists = cells([np.array([i + 1]) for i in range(40)])
    every = np.arange(1, height * width + 1).reshape(height, width)
    scipy.io.savemat(tmp_path / "many.mat", {"superpixels": every, "labels": lists})
    for name in ("many.png", "many.mat"):
        with pytest.raises(WsisError, match="more than can be handled"):
            read(tmp_path / name, (height, width))


def test_masks_that_are_text_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"masks": np.full((*SIZE, 1), "x")})
    with pytest.raises(WsisError, match="expected 'masks' as an H x W x N array"):
        read(tmp_path / "a.mat", SIZE)


def test_scores_whose_span_is_no_number_still_rank(tmp_path: Path, masks: np.ndarray) -> None:
    scores = np.array([0, -1e308, 1e308, 1, 2, 3])
    scipy.io.savemat(tmp_path / "a.mat", mcg(masks) | {"scores": scores[:, None]})
    entries = [{"segmentation": rle(m), "score": s} for m, s in zip(masks, scores, strict=True)]
    write(tmp_path / "a.json", entries)
    for name in ("a.mat", "a.json"):
        proposals = read(tmp_path / name, SIZE)
        assert same(proposals, masks[np.argsort(-scores)])
        assert np.isfinite(proposals.scores).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP"])
def test_another_format_behind_the_ending_png_is_refused(tmp_path: Path, kind: str) -> None:
    Image.new("L", SIZE[::-1], 3).save(tmp_path / "a.png", kind)
    with pytest.raises(WsisError, match="not a readable PNG"):
        read(tmp_path / "a.png", SIZE)


def test_a_png_with_a_cut_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\1IHDR\0" + bytes(100))
    with pytest.raises(WsisError, match="not a readable PNG"):
        read(tmp_path / "a.png", SIZE)


def test_masks_of_two_images_are_never_mixed(tmp_path: Path, masks: np.ndarray) -> None:
    images = [{"id": 1, "file_name": "0.jpg"}, {"id": 2, "file_name": "1.jpg"}]
    entries = [{"image_id": 1 + i % 2, "segmentation": rle(m)} for i, m in enumerate(masks)]
    path = write(tmp_path / "1.json", {"images": images, "annotations": entries})
    for wanted in (None, "1", "1.jpg", 2):
        assert same(read(path, SIZE, wanted), masks[1::2])
    folders = [{"id": 1, "file_name": "cats/001.jpg"}, {"id": 2, "file_name": "dogs/001.jpg"}]
    path = write(tmp_path / "001.json", {"images": folders, "annotations": entries})
    assert same(read(path, SIZE, "dogs/001"), masks[1::2])
    with pytest.raises(WsisError, match="several images named '001'"):
        read(path, SIZE)


def test_results_of_one_image_are_the_photos(tmp_path: Path, masks: np.ndarray) -> None:
    results = [{"image_id": 139, "segmentation": rle(m)} for m in masks]
    for name in ("000000000139", "cat"):
        assert same(read(write(tmp_path / f"{name}.json", results), SIZE, name), masks)


def test_a_file_of_images_whose_entries_name_none_is_refused(tmp_path: Path, masks: np.ndarray) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    path = write(tmp_path / "a.json", {"images": images, "annotations": [{"segmentation": rle(masks[0])}]})
    with pytest.raises(WsisError, match="does not say to which image"):
        read(path, SIZE)


@pytest.mark.parametrize("bad", [{"segmentation": []}, {"segmentation": None}, {"bbox": [1, 2, 3, 4]},
                                 {"segmentation": [[1, 2, 3, 4]]}, {"segmentation": [[5, 5, 5, 5, 5, 5]]},
                                 {"segmentation": {}},
                                 {"segmentation": {"size": [*SIZE], "counts": [1230]}}])  # fmt: skip
def test_an_entry_without_a_mask_is_left_out_and_said(tmp_path: Path, masks: np.ndarray, bad: dict) -> None:
    good = [{"segmentation": rle(m), "score": 0.5} for m in masks[:2]]
    found = read(write(tmp_path / "a.json", [good[0], bad | {"score": 0.9}, good[1]]), SIZE)
    assert same(found, masks[:2])
    assert found.notes == ("1 of 3 proposals in a.json cover no pixel and are left out: 1 (from 0).",)
    with pytest.raises(
        WsisError, match=r"proposal 0: expected a COCO RLE|Proposal 0 of a.json .COCO. covers no pixel"
    ) as e:
        read(write(tmp_path / "a.json", [bad]), SIZE)
    assert not any(word in str(e.value) for word in ("list index", "NoneType", "KeyError"))


def test_empty_prm_masks_and_mcg_lists_are_left_out_and_said(tmp_path: Path, masks: np.ndarray) -> None:
    entries = [*prm(masks[:2]), {"data": "", "shape": list(SIZE)}]
    found = read(write(tmp_path / "a.json", entries), SIZE)
    assert same(found, masks[:2])
    assert "1 of 3" in found.notes[0]
    content = mcg(masks)
    content["labels"][0, 0] = np.zeros((1, 0))
    scipy.io.savemat(tmp_path / "a.mat", content | {"scores": np.arange(6.0)[:, None]})
    found = read(tmp_path / "a.mat", SIZE)
    assert same(found, masks[:0:-1])
    assert found.notes == ("1 of 6 proposals in a.mat cover no pixel and are left out: 0 (from 0).",)


@pytest.mark.parametrize("kind", [int, bool, float])
def test_rows_of_pixels_are_a_mask(tmp_path: Path, masks: np.ndarray, kind: type) -> None:
    entries = [{"segmentation": mask.astype(kind).tolist()} for mask in masks]
    assert same(read(write(tmp_path / "a.json", entries), SIZE), masks)
    with pytest.raises(WsisError, match="41 x 30 pixels, but the photo has 30 x 41"):
        read(tmp_path / "a.json", SIZE[::-1])


@pytest.mark.parametrize(
    "shape", [[5, 5, 15, 5, 15, 20, 5, 20], [[5, 5], [15, 5], [15, 20], [5, 20]],
              [[[5, 5], [15, 5], [15, 20], [5, 20]]],
              [[5 / 41, 5 / 30, 15 / 41, 5 / 30, 15 / 41, 20 / 30, 5 / 41, 20 / 30]]]
)  # fmt: skip
def test_polygons_of_other_tools(tmp_path: Path, shape: list) -> None:
    mask = read(write(tmp_path / "a.json", [{"segmentation": shape}]), SIZE).mask(0)
    assert mask[5:20, 5:15].all()
    assert mask.sum() == 150


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_with_a_byte_order_mark(tmp_path: Path, masks: np.ndarray, encoding: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps([rle(m) for m in masks]), encoding)
    assert same(read(tmp_path / "a.json", SIZE), masks)


@pytest.mark.parametrize(("bits", "numbers"), [(1, [1]), (2, [1, 2, 3]), (4, [3, 8, 15]), (8, [85, 170, 254])])
def test_greys_of_few_bits_have_no_void(tmp_path: Path, bits: int, numbers: list) -> None:
    index = np.zeros(SIZE, np.uint8)
    for i, number in enumerate(numbers):
        index[4 * i : 4 * i + 3, 5:20] = number
    (tmp_path / "a.png").write_bytes(grey_png(index, bits))
    assert same(read(tmp_path / "a.png", SIZE), np.stack([index == n for n in numbers]))


def test_vocs_colours_are_labels(tmp_path: Path) -> None:
    index = np.zeros(SIZE, np.uint8)
    index[3:9, 4:9], index[10:20, 4:30], index[25:] = 1, 7, index_image.VOID
    Image.fromarray(index_image.palette()[index]).save(tmp_path / "a.png")
    assert same(read(tmp_path / "a.png", SIZE), np.stack([index == 1, index == 7]))


def test_probabilities_are_cut_at_one_half(tmp_path: Path, masks: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"masks": np.where(masks.transpose(1, 2, 0), 0.95, 0.05)})
    assert same(read(tmp_path / "a.mat", SIZE), masks)
    for wrong in (np.where(masks.transpose(1, 2, 0), 4.0, -4.0), np.arange(1230).reshape(SIZE)):  # logits, labels
        scipy.io.savemat(tmp_path / "a.mat", {"masks": wrong})
        with pytest.raises(WsisError, match=r"mask 0 .from 0. of 'masks': it holds .*expected 0 and 1, or prob"):
            read(tmp_path / "a.mat", SIZE)


def test_masks_in_a_cell_array_or_number_first(tmp_path: Path, masks: np.ndarray) -> None:
    for value in (cells(list(masks.astype(np.uint8))), masks.astype(np.uint8)):
        scipy.io.savemat(tmp_path / "a.mat", {"masks": value})
        assert same(read(tmp_path / "a.mat", SIZE), masks)
    scipy.io.savemat(tmp_path / "a.mat", {"masks": cells([masks[0], masks[0, :5]])})
    with pytest.raises(WsisError, match="41 x 5 pixels, but the photo has 41 x 30"):
        read(tmp_path / "a.mat", SIZE)


@pytest.mark.realdata
def test_published_prm_proposals(data_root: Path) -> None:
    for photo in sorted((data_root / "prm_samples").glob("*.jpg")):
        with Image.open(photo) as image:
            size = image.size[::-1]
        proposals = read(photo.with_suffix(".json"), size)
        assert len(proposals) == 200
        # superpixel unions are made of few connected parts; runs read from the wrong start or order would shear them
        borders = proposals.borders[1].sum()
        assert borders < 0.12 * size[0] * size[1]


def test_a_matlab_file_can_hold_no_object(boom, tmp_path):
    """Cells and structs come as object arrays, but of numbers and text; a pickle inside stays bytes."""
    scipy.io.savemat(tmp_path / "a.mat", {"masks": np.frombuffer(boom, np.uint8)[None, :]})
    with pytest.raises(WsisError, match="photo of"):
        read(tmp_path / "a.mat", (40, 60))
    (tmp_path / "b.mat").write_bytes(boom)
    with pytest.raises(WsisError, match="not a readable MATLAB file"):
        read(tmp_path / "b.mat", (40, 60))
