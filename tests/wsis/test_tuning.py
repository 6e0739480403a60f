"""Tuning: records give the figures that the pixels give, for any weights; folders, zips and the cache."""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.fuzz.seeds import grey_png
from tests.helpers.small_analysis import CAT, DOG, SIZE, WORK, small_analysis
from train.scenes import scene
from wsis import ground_truth, image, matching, metrics, photo_sets, tuning, voc
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth
from wsis.matching import PRESETS, Weights
from wsis.peaks import Peaks
from wsis.pipeline import Analysis, Pipeline, Settings, upsample
from wsis.proposals import from_masks

SEEDS = range(3)


def write_scenes(root, photos, classes, instances):
    """Generated scenes in three folders, with a void stripe."""
    for folder in (photos, classes, instances):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        made = scene(seed)
        semantic = np.zeros(made.image.shape[:2], np.uint8)
        for mask, category in zip(made.masks, made.categories, strict=True):
            semantic[mask] = category + 1
        index = made.index
        index[:2] = semantic[:2] = metrics.VOID
        cv2.imwrite(str(root / photos / f"s{seed}.jpg"), made.image[..., ::-1])
        Image.fromarray(semantic).save(root / classes / f"s{seed}.png")
        Image.fromarray(index).save(root / instances / f"s{seed}.png")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    root = tmp_path_factory.mktemp("kit")
    write_scenes(root, *photo_sets.LAYOUTS[0])
    return root


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return Pipeline.load(str(tiny_checkpoint), device="cpu")


@pytest.fixture(scope="module")
def settings():
    return Settings(enhancer="icn-saliency", classes=("bottle", "car", "bird"), window=3)


@pytest.fixture(scope="module")
def pairs(kit):
    return photo_sets.collect(kit)


@pytest.fixture(scope="module")
def records(pipeline, pairs, settings):
    return tuning.Records([tuning.measure(pipeline, pair, settings) for pair in pairs], pipeline.classes)


def from_pixels(analysis, truth, weights, step):
    """The same figures the long way: masks at the photo's size, pixel by pixel."""
    found = analysis.instances(weights, step)
    masks = np.zeros((len(found), *truth.semantic.shape), bool)
    for mask, instance in zip(masks, found, strict=True):
        mask[:] = analysis.mask(instance)
    categories = np.array([one.category for one in found], np.int64)
    scores = np.array([one.score for one in found], np.float32)
    void = truth.semantic == metrics.VOID
    result = metrics.match_image(masks, categories, scores, truth.masks, truth.categories, void)
    return result, metrics.confusion(analysis.semantic(found), truth.semantic)


def compare(analyses, truths, records, choices, step, reading):
    """Figures from records and from pixels must be the same."""
    for weights in choices:
        parts = [from_pixels(a, t, weights, step) for a, t in zip(analyses, truths, strict=True)]
        results = [result for result, _ in parts]
        found = tuning.figures(records, weights, step, reading)
        assert found.masks_per_photo == np.mean([len(result.scores) for result in results]) > 1
        assert found.miou == metrics.mean_iou(sum(confusion for _, confusion in parts))
        expected = [*(metrics.mean_ap(results, threshold) for threshold in tuning.THRESHOLDS), metrics.abo(results)]
        np.testing.assert_allclose(found.values()[:4], expected, atol=1e-6)


def random_analysis(seed, reading):
    """Boxes as proposals, some of them twice, and six peaks of two classes with blurred boxes as maps."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, [30, 40], (40, 2)), rng.integers(6, 18, (40, 2))
    masks = np.zeros((40, *WORK), bool)
    for mask, (y, x), (height, width) in zip(masks, *corners, strict=True):
        mask[y : y + height, x : x + width] = True
    masks[30:] = masks[:10]
    proposals = from_masks(masks)
    base = small_analysis()
    maps = masks[rng.integers(0, 40, (2, 6))].astype(np.float32)
    maps = np.stack([[cv2.GaussianBlur(one, (0, 0), 3) for one in step] for step in maps])
    binary = np.stack([matching.binarise(step) for step in maps])
    class_maps = replace(base.evidence.class_maps, maps=rng.random((20, 6, 8), np.float32))
    evidence = replace(base.evidence, proposals=proposals, source=proposals, class_maps=class_maps)
    classes = rng.choice([CAT, DOG], 6)
    places = rng.integers(0, 6, (2, 6))
    peaks = Peaks(classes, *places, np.ones(6, np.float32), rng.random(6).astype(np.float32))
    own = upsample(class_maps.maps[classes], WORK)
    terms = np.stack([matching.terms(step, proposals, reading, class_maps=own) for step in maps])
    overlaps = np.stack([matching.overlap(step, proposals) for step in binary])
    settings = Settings(enhancer="spread", reading=reading)
    thresholds = np.zeros((2, 6), np.float32)
    return Analysis(evidence, settings, peaks, maps, binary, thresholds, terms, overlaps)


def random_truth(seed):
    """Boxes of the same two classes at the photo's size, some pixels void."""
    rng = np.random.default_rng((seed, 1))
    objects = np.zeros(SIZE, np.int64)
    for i in range(1, 6):
        y, x = rng.integers(0, [60, 80])
        objects[y : y + 36, x : x + 40] = i
    semantic = np.where(objects > 0, rng.choice([CAT, DOG], 6)[objects] + 1, 0).astype(np.uint8)
    semantic[rng.random(SIZE) < 0.05] = metrics.VOID
    masks = np.stack([objects == i for i in np.unique(objects) if i])
    categories = [np.bincount(semantic[mask & (semantic != metrics.VOID)]).argmax() - 1 for mask in masks]
    return GroundTruth(masks, np.array(categories, np.int64), semantic)


@pytest.mark.parametrize("reading", matching.READINGS)
def test_figures_equal_those_of_the_pixels(reading, rng):
    analyses, truths = [random_analysis(seed, reading) for seed in range(4)], [random_truth(seed) for seed in range(4)]
    covers = [random_analysis(seed, "cover") for seed in range(4)]
    records = tuning.Records([tuning.record(a, t) for a, t in zip(covers, truths, strict=True)], voc.CLASSES)
    preset = next(preset for preset in PRESETS.values() if preset.reading == reading)
    choices = [
        preset.weights,
        Weights(0, 0, 0),
        Weights(1, 0, 0),
        *(Weights(*rng.uniform(0, 1.5, 3)) for _ in range(20)),
    ]
    for step in (0, 1):
        compare(analyses, truths, records, choices, step, reading)
    peaks = sum(len(analysis.peaks) for analysis in analyses)
    assert tuning.figures(records).masks_per_photo * len(records) < peaks  # some were doubles


def test_figures_of_scenes_equal_those_of_the_pixels(pipeline, pairs, settings, records):
    truths = [ground_truth.read(pair.classes, pair.instances) for pair in pairs]
    preset = PRESETS["prm-2018"]
    settings = replace(settings, steps=4, reading=preset.reading)
    analyses = [pipeline.analyse(image.read(pair.photo), settings) for pair in pairs]
    for step in (0, 4):
        compare(analyses, truths, records, [preset.weights], step, preset.reading)


def test_photo_figures_add_up(records):
    found = tuning.figures(records)
    truth = sum(found.counts.values())
    assert sum(photo.found + photo.missed for photo in found.photos) == truth == sum(len(scene(s).masks) for s in SEEDS)
    assert all(0 <= photo.quality <= 1 and photo.wrong >= 0 for photo in found.photos)
    assert found.map25 >= found.map50 >= found.map75 and found.abo > 0 and set(found.ap50) == set(found.counts)


def test_halves_share_nothing(records):
    first, second = records.halves
    assert len(first) == 2 and len(second) == 1
    assert first.records + second.records == (records.records[0], records.records[2], records.records[1])
    assert tuning.figures(second).photos[0] is tuning.figures(records).photos[1]  # what is known is shared


def test_steps_beyond_the_last_mean_the_last(records):
    assert tuning.figures(records, step=9).values() == tuning.figures(records, step=4).values()


def test_unknown_reading_says_which_there_are(records):
    with pytest.raises(WsisError, match="cover, literal"):
        tuning.figures(records, reading="odd")


def test_grid_holds_the_figures_of_its_weights(records):
    seen = []
    values = (np.linspace(0, 1.5, 4), np.linspace(0, 1, 3))
    grid = tuning.grid(records, ("alpha", "beta"), Weights(9, 9, 0.3), 2, "penalty", values, seen.append)
    assert grid.figures.shape == (3, 4, 5) and seen[-1] == 1
    for row, column in ((0, 0), (2, 1), (1, 3)):
        weights = Weights(values[0][column], values[1][row], 0.3)
        assert grid.weights(row, column) == weights
        assert tuple(grid.figures[row, column]) == tuning.figures(records, weights, 2, "penalty").values()
    for i, name in enumerate(tuning.FIGURES):
        weights, value = tuning.best(grid, name)
        assert value == grid.figures[..., i].max() == getattr(tuning.figures(records, weights, 2, "penalty"), name)
    with pytest.raises(WsisError, match="two different"):
        tuning.grid(records, ("alpha", "alpha"))


def test_equal_cells_go_to_the_middle_of_their_plateau(records):
    plane = np.zeros((7, 7, 5))
    plane[1:6, 2:7] = 1
    grid = tuning.Grid(("alpha", "gamma"), (np.arange(7), np.arange(7)), matching.PUBLISHED, 3, "cover", plane)
    assert grid.order("abo")[0] == (2, 3)  # the first whose neighbours are all as good
    assert len(set(grid.order("abo"))) == 49


def test_a_photo_without_peaks_counts(pipeline, pairs, records):
    empty = tuning.measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not len(empty.categories)
    both = tuning.Records([empty, records.records[1]], pipeline.classes)
    found = tuning.figures(both)
    assert found.photos[0].found == found.photos[0].quality == 0 and found.photos[0].missed == len(empty.truth)
    alone = tuning.figures(tuning.Records([empty], pipeline.classes))
    assert alone.map25 == alone.abo == alone.masks_per_photo == 0 and alone.miou > 0  # background


def test_cache_measures_once(pipeline, pairs, settings, tmp_path, monkeypatch):
    cache = tuning.Cache(tmp_path / "tune")
    first = cache.measure(pipeline, pairs[0], settings)
    monkeypatch.setattr(tuning, "measure", lambda *_: pytest.fail("measured again"))
    again = cache.measure(pipeline, pairs[0], settings)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
        assert value.dtype == getattr(again, name).dtype


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", None])
def test_damaged_records_are_measured_again(pipeline, pairs, settings, tmp_path, damage):
    cache = tuning.Cache(tmp_path)
    first = cache.measure(pipeline, pairs[0], settings)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    again = cache.measure(pipeline, pairs[0], settings)
    np.testing.assert_array_equal(first.terms, again.terms)


def test_cache_key_follows_everything(pipeline, pairs, settings, tmp_path):
    def key(pair=pairs[0], chosen=settings):
        return tuning._key(pipeline, pair, tuning._whole(chosen))

    other = tmp_path / "other.png"
    other.write_bytes(pairs[0].classes.read_bytes() + b"x")
    keys = [key(), key(pairs[1]), key(chosen=Settings(enhancer="spread"))]
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, other, pairs[0].instances)))
    keys.append(key(photo_sets.Pair("s0", pairs[0].photo, pairs[0].classes)))
    assert len(set(keys)) == len(keys)
    assert key(chosen=Settings(**{**vars(settings), "reading": "iou", "steps": 1})) == keys[0]  # measured for all


def test_cache_drops_the_longest_unused(pipeline, pairs, settings, tmp_path):
    size = 0
    for i, pair in enumerate(pairs):
        tuning.Cache(tmp_path).measure(pipeline, pair, settings)
        new = max(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        size += new.stat().st_size
        os.utime(new, (i, i))
    oldest = min(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime)
    (tmp_path / ".left.part").write_bytes(b"x" * 100)  # by a process that was killed
    os.utime(tmp_path / ".left.part", (0, 0))
    tuning.Cache(tmp_path, most=size + 1).measure(pipeline, pairs[0], Settings(enhancer="none", class_threshold=1.0))
    assert not oldest.exists() and not (tmp_path / ".left.part").exists() and len(list(tmp_path.iterdir())) == 3


def test_an_unwritable_cache_only_costs_time(pipeline, pairs, settings, tmp_path):
    (tmp_path / "file").write_text("")
    assert len(tuning.Cache(tmp_path / "file").measure(pipeline, pairs[0], settings).truth)


@pytest.mark.parametrize("names", photo_sets.LAYOUTS)
def test_collect_knows_its_layouts(tmp_path, names):
    write_scenes(tmp_path / "data" / "set", *names)
    (tmp_path / "data" / "set" / names[1] / "s1.png").unlink()  # a photo without a mask
    found = photo_sets.collect(tmp_path)
    assert [pair.name for pair in found] == ["s0", "s2"]
    assert found[0].instances.parent.name == names[2]


def test_collect_flat_folders(tmp_path, kit):
    for seed in SEEDS:
        (tmp_path / f"s{seed}.JPG").write_bytes((kit / "JPEGImages" / f"s{seed}.jpg").read_bytes())
        (tmp_path / f"s{seed}.png").write_bytes((kit / "SegmentationClass" / f"s{seed}.png").read_bytes())
    (tmp_path / "alone.jpg").write_bytes(b"")
    found = photo_sets.collect(tmp_path)
    assert [pair.name for pair in found] == ["s0", "s1", "s2"] and found[0].instances is None


def test_collect_takes_only_val_of_a_devkit(kit, tmp_path):
    write_scenes(tmp_path, *photo_sets.LAYOUTS[0])
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("s2\nelse\n")
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["s2"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfs2\r\n", "s2\r\nelse\r\n".encode("utf-16"), "s2\n".encode("utf-16-be"), b"# held out\ns2.jpg\n",
        b"JPEGImages/s2.jpg SegmentationClass/s2.png\n", b"JPEGImages\\s2.JPG", b"s2  1\ns9 -1", b"\n\n  s2\t\n",
    ],
)  # fmt: skip
def test_collect_reads_a_list_in_any_writing(kit, tmp_path, content):
    shutil.copytree(kit, tmp_path / "kit")
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(content)
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["s2"]


@pytest.mark.parametrize("content", [b"", b"else\nother\n", b"# s2", "\ufeff".encode("utf-16"), bytes(50)])
def test_a_list_that_names_nothing_takes_nothing(kit, tmp_path, content):
    shutil.copytree(kit, tmp_path / "kit")
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(content)
    with pytest.raises(WsisError, match=r"val.txt in ImageSets/Segmentation names none of the 3 photos"):
        photo_sets.collect(tmp_path)


def test_names_with_spaces_may_be_listed(kit, tmp_path):
    shutil.copytree(kit, tmp_path / "kit")
    for file in [*(tmp_path / "kit").rglob("s1.*")]:
        file.rename(file.with_name(f"my photo 1{file.suffix}"))
    listing = tmp_path / "kit" / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("my photo 1\n")
    assert [pair.name for pair in photo_sets.collect(tmp_path)] == ["my photo 1"]


@pytest.mark.parametrize(("photo", "mask"), [("DSC1.JPG", "DSC1.PNG"), ("x.jpeg", "x.Png"), ("y.TIFF", "y.png")])
def test_collect_knows_endings_in_any_case(tmp_path, photo, mask):
    for layout in (("", "", ""), *photo_sets.LAYOUTS):
        place = tmp_path / (layout[0] or "flat")
        for folder, name in zip(layout, (photo, mask, mask), strict=True):
            (place / folder).mkdir(parents=True, exist_ok=True)
            (place / folder / name).write_bytes(b"")
        (pair,) = photo_sets.collect(place)
        assert (pair.photo.name, pair.classes.name) == (photo, mask)


def test_collect_says_what_it_expects(tmp_path):
    with pytest.raises(WsisError, match="SegmentationObject"):
        photo_sets.collect(tmp_path)
    with pytest.raises(WsisError, match="no folder"):
        photo_sets.collect(tmp_path / "nowhere")


def test_connected_areas_are_instances(tmp_path):
    semantic = np.zeros((20, 30), np.uint8)
    semantic[2:6, 2:6] = semantic[2:6, 10:14] = 3
    semantic[10:14, 2:6], semantic[10:14, 6:9], semantic[0] = 3, 5, 255
    Image.fromarray(semantic).save(tmp_path / "a.png")
    truth = ground_truth.read(tmp_path / "a.png", None)
    assert sorted(truth.categories) == [2, 2, 2, 4]
    np.testing.assert_array_equal(truth.masks.any(0), (semantic > 0) & (semantic < 255))
    assert truth.masks.sum(0).max() == 1


def test_classes_of_any_depth_are_read(tmp_path):
    index = np.zeros((20, 30), np.uint8)
    index[2:8, 3:9], index[10:15, 3:9], index[10:15, 12:20] = 1, 2, 3
    Image.fromarray(index.astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(voc.palette()[index]).save(tmp_path / "colours.png")
    for bits in (2, 4, 8):
        (tmp_path / f"{bits}.png").write_bytes(grey_png(index, bits))
    for name in ("2", "4", "8", "16", "colours"):
        truth = ground_truth.read(tmp_path / f"{name}.png", tmp_path / f"{name}.png")
        assert truth.semantic.dtype == np.uint8
        np.testing.assert_array_equal(truth.semantic, index)
        np.testing.assert_array_equal(truth.masks, np.stack([index == n for n in (1, 2, 3)]))
        assert truth.categories.tolist() == [0, 1, 2]


def test_a_mask_of_foreground_is_no_photo_without_instances(tmp_path, pipeline, kit):
    photo = photo_sets.collect(kit)[0].photo
    index = np.zeros((96, 128), np.uint8)
    index[2:50, 3:90] = 255
    Image.fromarray(index).save(tmp_path / "a.png")
    Image.fromarray(index // 255).save(tmp_path / "class1.png")
    for instances in (None, tmp_path / "a.png"):
        with pytest.raises(WsisError, match="0 and 255 only: foreground, but no class"):
            tuning.measure(pipeline, photo_sets.Pair("a", photo, tmp_path / "a.png", instances))
    with pytest.raises(WsisError, match="holds no number of an instance, though its classes name 1"):
        ground_truth.read(tmp_path / "class1.png", tmp_path / "a.png")
    Image.fromarray(index * 0).save(tmp_path / "a.png")
    assert not len(ground_truth.read(tmp_path / "a.png", tmp_path / "a.png").masks)  # a photo without instances


def test_a_proposal_too_small_for_the_grid_is_suppressed_as_in_the_pipeline():
    members, areas = np.eye(3, dtype=bool)[[0, 0, 1, 2, 2]], np.array([0, 0, 5], np.float32)
    assert tuning._kept(members, areas, np.zeros(5, np.int64), 0.3) == [0, 2, 3]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (np.full((20, 30), 21, np.uint8), "names class 21"),
        (np.zeros((20, 30, 3), np.uint8), "colour image"),
        (np.full((20, 30), 300, np.uint16), "names class 300"),
    ],
)
def test_masks_of_another_kind_are_refused(tmp_path, index, words):
    Image.fromarray(index).save(tmp_path / "a.png")
    with pytest.raises(WsisError, match=words):
        ground_truth.read(tmp_path / "a.png", None)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(WsisError, match="not a readable PNG"):
        ground_truth.read(tmp_path / "a.png", None)


def test_sizes_must_agree(pipeline, kit, tmp_path):
    small, pair = tmp_path / "small.png", photo_sets.collect(kit)[0]
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(small)
    with pytest.raises(WsisError, match="128 x 96 pixels, its mask 64 x 48"):
        tuning.measure(pipeline, photo_sets.Pair("s0", pair.photo, small))
    with pytest.raises(WsisError, match="different sizes"):
        ground_truth.read(pair.classes, small)


def packed(tmp_path, names, content=b"x"):
    file = tmp_path / "some.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file


def test_unpack_takes_what_it_needs(kit, tmp_path):
    file = tmp_path / "kit.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(kit.rglob("*.*")):
            archive.write(path, f"top/{path.relative_to(kit)}")
        for name in ("run.sh", "__MACOSX/top/._s0.jpg", ".hidden.png"):
            archive.writestr(name, "x")
    (tmp_path / "out").mkdir()
    photo_sets.unpack(file, tmp_path / "out")
    assert [pair.name for pair in photo_sets.collect(tmp_path / "out")] == ["s0", "s1", "s2"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["top"]


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/../../b.png", "..\\a.png", "C:\\a.png"])
def test_unpack_stays_in_its_folder(tmp_path, name):
    (tmp_path / "out").mkdir()
    with pytest.raises(WsisError, match="outside its folder"):
        photo_sets.unpack(packed(tmp_path, [name]), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "some.zip"]


def test_unpack_refuses_links(tmp_path):
    entry = zipfile.ZipInfo("a.png")
    entry.external_attr = 0o120777 << 16
    with pytest.raises(WsisError, match="outside its folder"):
        photo_sets.unpack(packed(tmp_path, [entry], b"/etc/passwd"), tmp_path)


def test_unpack_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_sets, "MOST_UNPACKED", 100)
    photo_sets.unpack(packed(tmp_path, ["a.png"], bytes(100)), tmp_path)
    with pytest.raises(WsisError, match="unpacks to more than"):
        photo_sets.unpack(packed(tmp_path, ["a.png", "b.png"], bytes(60)), tmp_path)
    monkeypatch.setattr(photo_sets, "MOST_FILES", 2)
    with pytest.raises(WsisError, match="holds 3 files"):
        photo_sets.unpack(packed(tmp_path, ["a.png", "b.png", "c.png"]), tmp_path)


def test_unpack_says_what_is_no_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"nothing")
    with pytest.raises(WsisError, match="no zip"):
        photo_sets.unpack(tmp_path / "a.zip", tmp_path)


def test_spaced_keeps_both_ends(pairs):
    many = [photo_sets.Pair(str(i), pairs[0].photo, pairs[0].classes) for i in range(10)]
    chosen = [int(pair.name) for pair in photo_sets.spaced(many, 4)]
    assert chosen == [0, 3, 6, 9] and photo_sets.spaced(many, 10) == tuple(many)


@pytest.mark.realdata
def test_real_photos_give_what_the_evaluation_gives(request, tmp_path):
    from train import evaluate

    kit = request.getfixturevalue("voc")
    pipeline = Pipeline.load("voc-lite", device="cpu")
    pairs = photo_sets.spaced(photo_sets.collect(kit), 4)
    row = evaluate.Row("icn-saliency", 4, "prm-2018", 1)
    photos = [evaluate.photo_figures(pipeline, kit, pair.name, [row], Settings()) for pair in pairs]
    expected = evaluate.summary(photos)["rows"][0]
    records = tuning.Records([tuning.Cache(tmp_path).measure(pipeline, pair) for pair in pairs], pipeline.classes)
    preset = PRESETS[row.preset]
    found = tuning.figures(records, preset.weights, row.steps, preset.reading)
    assert [expected[name] for name in tuning.FIGURES] == list(found.values())
    assert expected["ap50_by_class"] == found.ap50
