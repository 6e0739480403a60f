from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
from PIL import Image

from tests.helpers.bad_files import picture
from tests.helpers.small_analysis import small_analysis, with_objects
from wsis import export, voc
from wsis.explorer import downloads
from wsis.matching import PUBLISHED


def test_bundle_holds_everything_and_is_the_same_twice() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    zips = [
        downloads.bundle(analysis, found, stem="one", model="tiny", weights=PUBLISHED, more={"report.html": b"<p>"})
        for _ in "ab"
    ]
    assert zips[0] == zips[1]
    with zipfile.ZipFile(io.BytesIO(zips[0])) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert manifest["model"] == {"name": "tiny"}
    assert manifest["weights"] == {"alpha": 0.95, "beta": 0.1, "gamma": 0.8}
    assert manifest["settings"]["enhancer"] == "spread"
    assert set(manifest["versions"]) >= {"wsis", "python", "torch"}
    assert "unknown" not in manifest["versions"].values()
    assert manifest["step"] == 1
    assert set(manifest["files"]) == set(files) - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    assert files["report.html"] == b"<p>"
    assert json.loads(files["instances.json"])[0]["image_id"] == "one"
    assert files["semantic/one.png"] == export.semantic_png(analysis, found)
    assert np.array(Image.open(io.BytesIO(files["overlay/one.png"]))).shape == (96, 128, 3)
    assert np.array(Image.open(io.BytesIO(files["figure/one.png"]))).shape[0] > 2 * 160
    maps = np.load(io.BytesIO(files["maps/one.npz"]), allow_pickle=False)
    for name, whole in (("maps", analysis.maps), ("contours", analysis.evidence.contours)):
        about = manifest["arrays"][name]
        assert maps[name].dtype == about["dtype"]
        assert about["range"] == [0, 1]
        np.testing.assert_allclose(maps[name] * about["scale"], whole, atol=1 / 509)
    assert (maps["terms"] == analysis.terms).all()
    assert (maps["overlaps"] == analysis.overlaps).all()
    assert (maps["binary"] == analysis.binary).all()
    assert (maps["membership"] == analysis.proposals.membership).all()
    assert tuple(maps["classes"]) == voc.CLASSES


def test_other_downloads() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    with zipfile.ZipFile(io.BytesIO(downloads.voc_zip(analysis, found, stem="one"))) as archive:
        assert archive.namelist() == ["semantic/one.png", "instance/one.png"]
    overlay = downloads.overlay_png(analysis, found)
    assert np.array(Image.open(io.BytesIO(overlay))).shape == (96, 128, 3)
    assert np.abs(np.array(Image.open(io.BytesIO(export.rgb_jpeg(picture(), 95)))).astype(int) - picture()).mean() < 3


def test_strip_and_maps() -> None:
    analysis = small_analysis()
    found = analysis.instances(step=0)
    strip = Image.open(io.BytesIO(downloads.strip_png(analysis, found, step=0)))
    whole = Image.open(io.BytesIO(downloads.strip_png(analysis, found)))
    assert strip.width < whole.width  # one panel less: the step that was not matched
    maps = np.load(io.BytesIO(export.maps_npz(analysis)), allow_pickle=False)
    assert (maps["terms"] == analysis.terms).all()
    assert maps["maps"].dtype == np.float16
    assert (maps["maps"] == analysis.maps.astype(np.float16)).all()


def test_maps_of_objects_are_in_the_manifest() -> None:
    analysis = with_objects()
    content = downloads.bundle(analysis, analysis.instances(), stem="one", model="tiny")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert "object_maps" in json.loads(archive.read("manifest.json"))["arrays"]
