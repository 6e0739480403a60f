"""Films of a peak's growth: as many frames as steps and fades make, readable by others, and small."""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.helpers.small_analysis import small_analysis
from wsis import changes
from wsis.explorer import growth
from wsis.explorer.scene import Scene
from wsis.explorer.words import changed


@pytest.fixture
def scene() -> Scene:
    """Three steps of the second peak, the last two alike."""
    small = small_analysis()
    again = {name: getattr(small, name)[[0, 1, 1]] for name in ("maps", "binary", "thresholds", "terms", "overlaps")}
    return Scene(replace(small, **again), chosen_peak=1)


FRAMES = 3 + 2 * growth.FADES


def test_every_step_stands_and_fades_into_the_next(scene):
    film = growth.frames(scene, 128)
    assert len(film) == FRAMES
    assert [frame.stands for frame in film[:: growth.FADES + 1]] == [growth.STANDS] * 3
    assert {frame.image.shape for frame in film} == {(96 + growth.CAPTION, 128, 3)}
    first, middle, second = (film[i].image[:96].astype(int) for i in (0, 2, growth.FADES + 1))
    low, high = np.minimum(first, second), np.maximum(first, second)
    assert 0 < np.abs(middle - first).mean() < np.abs(second - first).mean()
    assert (middle[low == high] == first[low == high]).all()
    captions = {frame.image[96:].tobytes() for frame in film}
    assert len(captions) == FRAMES  # the line of time moves, so that no reader takes two for one


def test_the_gif_has_every_frame_and_begins_anew(scene):
    image = Image.open(io.BytesIO(growth.gif(scene)))
    assert (image.format, image.n_frames, image.info["loop"]) == ("GIF", FRAMES, 0)
    durations = []
    for i in range(image.n_frames):
        image.seek(i)
        caption = np.array(image.convert("RGB"))[-growth.CAPTION :].astype(int)
        away = np.abs(caption - ImageColor.getrgb(growth.GAINED)).sum(2).min()
        assert (away < 60) == (i > 0)  # as green as on the page, whatever colours the photo has
        durations.append(image.info["duration"])
    assert sum(durations) == pytest.approx(1000 * (3 * growth.STANDS + 2 * growth.FADES) / growth.PER_SECOND, rel=0.05)


def test_the_mp4_has_every_frame_at_its_pace(scene, tmp_path):
    path = tmp_path / "growth.mp4"
    path.write_bytes(growth.mp4(scene))
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == growth.PER_SECOND
    read = []
    while (frame := video.read())[0]:
        read.append(frame[1][..., ::-1])
    assert len(read) == 3 * growth.STANDS + 2 * growth.FADES
    for frame, shown in ((read[0], growth.frames(scene)[0]), (read[-1], growth.frames(scene)[-1])):
        assert np.abs(frame.astype(int) - shown.image).mean() < 6


def test_a_film_that_is_too_large_is_made_smaller(scene, monkeypatch):
    sizes = {size: len(growth._gif(growth.frames(scene, size))) for size in growth.WIDTHS[:2]}
    monkeypatch.setattr(growth, "MOST_BYTES", sizes[growth.WIDTHS[1]])
    assert max(Image.open(io.BytesIO(growth.gif(scene))).size) <= growth.WIDTHS[1]


def test_captions_say_what_is_grown_and_what_changed(scene):
    first, second, last = growth._captions(scene)
    assert first.what == "naive, t = 0: class map"
    assert second.what == "spread"
    assert second.where == "dog, peak 2 · spread"
    (gained, lost), _ = changes.shares(scene.analysis.binary[:, 1])
    assert (second.gained, second.lost) == (f"+{changed(gained)}", f"-{changed(lost)}")
    assert (last.gained, last.lost) == ("+0%", "-0%")
