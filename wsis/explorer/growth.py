"""The growth of one peak's map as a film to take away: each step stands for a moment and fades into the next."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from wsis import changes, render
from wsis.errors import WsisError
from wsis.explorer import words
from wsis.explorer.scene import Scene
from wsis.explorer.words import ENHANCERS

WIDTHS = (448, 384, 320, 256, 192)
"""Pixels of a film's longer side, the first that keeps it below `MOST_BYTES`."""
MOST_BYTES = 2 * 2**20
PER_SECOND = 12
"""Frames of the MP4 a second; a frame of the GIF stands as long as its frames of the MP4 together."""
STANDS, FADES = 9, 4
"""Frames that a step stands, and frames in which one fades into the next."""
CAPTION = 46
"""Pixels of the caption below the photo."""
CODEC = "vp09"
"""VP9, which all browsers play and OpenCV brings along; H.264 it does not."""
GROUND, INK, QUIET, GAINED, LOST, TRACK = "#14161a", "#f4f4f2", "#9aa0ab", "#34c795", "#ff7a6b", "#3a3f4a"
INKS = (GROUND, INK, QUIET, GAINED, LOST, TRACK)


class Frame(NamedTuple):
    """A picture, (H, W, 3) uint8 with even sides, and how many frames of the MP4 it stands."""

    image: np.ndarray
    stands: int


Encode = Callable[[Sequence[Frame]], bytes]


def frames(scene: Scene, size: int = WIDTHS[0]) -> list[Frame]:
    """The picked peak's map over the photo from the naive one to step T, captions below.

    Args:
        scene: what is on the screen; it has a peak.
        size: of the photo's longer side in pixels.

    Returns:
        (T+1) steps and `FADES` frames between every two, each with the share of all frames that are over as a line.
    """
    maps, photo = scene.analysis.maps[:, scene.peak], _photo(scene.analysis.evidence.work, size)
    across = photo.shape[1], photo.shape[0]
    grown = [cv2.resize(one, across, interpolation=cv2.INTER_LINEAR) for one in maps]
    captions = _captions(scene)
    shown: list[tuple[np.ndarray, int, int]] = []
    for t, one in enumerate(grown):
        if t:
            parts = (np.arange(FADES) + 1) / (FADES + 1)
            shown += [(grown[t - 1] * np.float32(1 - part) + one * np.float32(part), t, 1) for part in parts]
        shown.append((one, t, STANDS))
    whole = sum(stands for *_, stands in shown)
    over, made = 0, []
    for values, t, stands in shown:
        over += stands
        made.append(Frame(_captioned(render.over_map(photo, values), captions[t], over / whole), stands))
    return made


def gif(scene: Scene) -> bytes:
    """The film as a GIF that begins anew when it ends."""
    return _fitting(scene, _gif)


def mp4(scene: Scene) -> bytes:
    """The film as an MP4 (VP9, `PER_SECOND` frames a second).

    Raises:
        WsisError: this OpenCV cannot write it.
    """
    return _fitting(scene, _mp4)


def _fitting(scene: Scene, encode: Encode) -> bytes:
    """The largest film that is small enough."""
    for size in WIDTHS:
        film = encode(frames(scene, size))
        if len(film) <= MOST_BYTES:
            break
    return film


def _gif(film: Sequence[Frame]) -> bytes:
    pictures = [_palettised(frame.image) for frame in film]
    durations = [round(1000 * frame.stands / PER_SECOND) for frame in film]
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False, disposal=1
    )
    return file.getvalue()


def _palettised(image: np.ndarray) -> Image.Image:
    """In 128 colours; the caption's are too few pixels to be among them unless they are put there."""
    picture, fixed = Image.fromarray(image), [part for ink in INKS for part in ImageColor.getrgb(ink)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(picture.quantize(128 - len(INKS)).getpalette() or []), *fixed])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _mp4(film: Sequence[Frame]) -> bytes:
    height, width = film[0].image.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "growth.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), PER_SECOND, (width, height))
        if not writer.isOpened():
            raise WsisError("This server's OpenCV writes no MP4. Take the GIF.")
        for frame in film:
            for _ in range(frame.stands):
                writer.write(frame.image[..., ::-1])
        writer.release()
        return path.read_bytes()


def _photo(work: np.ndarray, size: int) -> np.ndarray:
    """(H, W, 3) uint8 with even sides of at least 2 pixels, at most `size`."""
    scale = size / max(work.shape[:2])
    height, width = (max(2, 2 * round(side * scale / 2)) for side in work.shape[:2])
    return cv2.resize(work, (width, height), interpolation=cv2.INTER_AREA)


class _Caption(NamedTuple):
    what: str
    where: str
    gained: str
    lost: str


def _captions(scene: Scene) -> list[_Caption]:
    """One a step: what the map is, whose, and how much it gained and lost."""
    analysis = scene.analysis
    settings, name = analysis.settings, f"{scene.name(scene.peak)}, peak {scene.peak + 1}"
    source = "peak response, Eq. 2" if settings.naive == "response" else settings.naive
    told = [_Caption(f"naive, t = 0: {source}", name, "", "")]
    changed = changes.shares(analysis.binary[:, scene.peak])
    for t, (gained, lost) in enumerate(changed.tolist(), 1):
        what = "spread" if settings.enhancer == "spread" else f"enhanced, t = {t}"
        told.append(
            _Caption(
                what,
                f"{name} · {ENHANCERS[settings.enhancer].short}",
                f"+{words.changed(gained)}",
                f"-{words.changed(lost)}",
            )
        )
    return told


def _captioned(picture: np.ndarray, caption: _Caption, over: float) -> np.ndarray:
    """The picture with its caption below, and a line as long as the share of the film that is over."""
    height, width = picture.shape[:2]
    drawn = Image.new("RGB", (width, height + CAPTION), GROUND)
    drawn.paste(Image.fromarray(picture), (0, 0))
    draw, large, small = ImageDraw.Draw(drawn), ImageFont.load_default(13), ImageFont.load_default(11)
    draw.rectangle((0, height, width, height + 2), fill=TRACK)
    draw.rectangle((0, height, round(over * width), height + 2), fill=INK)
    draw.text((8, height + 16), caption.what, fill=INK, font=large, anchor="lm")
    draw.text((8, height + 33), caption.where, fill=QUIET, font=small, anchor="lm")
    right = width - 8
    for text, ink in ((caption.lost, LOST), (caption.gained, GAINED)):
        draw.text((right, height + 16), text, fill=ink, font=large, anchor="rm")
        right -= round(draw.textlength(text, font=large)) + 8
    return np.array(drawn)
