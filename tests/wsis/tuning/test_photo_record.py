from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wsis import ground_truth, photo_sets, tuning
from wsis.errors import WsisError


def test_sizes_must_agree(pipeline, kit, tmp_path):
    small, pair = tmp_path / "small.png", photo_sets.collect(kit)[0]
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(small)
    with pytest.raises(WsisError, match="128 x 96 pixels, its mask 64 x 48"):
        tuning.measure(pipeline, photo_sets.Pair("s0", pair.photo, small))
    with pytest.raises(WsisError, match="different sizes"):
        ground_truth.read(pair.classes, small, 20)


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
        ground_truth.read(tmp_path / "class1.png", tmp_path / "a.png", 20)
    Image.fromarray(index * 0).save(tmp_path / "a.png")
    assert not len(ground_truth.read(tmp_path / "a.png", tmp_path / "a.png", 20).masks)  # a photo without instances


def test_parts_that_do_not_fit_together_are_named(records):
    record = records.records[0]
    total, members = len(record.terms), len(record.members)
    with pytest.raises(ValueError, match=rf"^fits: expected \({total},\), got \({total - 1},\)$"):
        replace(record, fits=record.fits[1:])
    with pytest.raises(ValueError, match=rf"^overlaps: expected \({members}, {len(record.truth)}\), got"):
        replace(record, overlaps=record.overlaps[1:])
    with pytest.raises(ValueError, match=rf"^starts: expected a multiple of \d+ fronts that end at {total}, got"):
        replace(record, starts=record.starts[:-1])
    with pytest.raises(ValueError, match=rf"^candidates: expected indices below {members}, got -1 to"):
        replace(record, candidates=np.full_like(record.candidates, -1) * (np.arange(total) == 0))
