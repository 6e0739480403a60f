"""What is refused from a photo's header, before anything is decoded."""

from __future__ import annotations

from wsis.errors import WsisError

MAX_PIXELS = 100_000_000
MIN_SIDE = 16
MAX_RATIO = 20
"""Longer strips would be a few pixels high at working size."""
HINT = "Save it as JPEG or PNG"


def check_size(size: tuple[int, int], name: str, most: int = MAX_PIXELS) -> None:
    """Refuse a size.

    Args:
        size: width and height.
        name: of the photo, for the sentence.
        most: pixels.

    Raises:
        WsisError: too many pixels, too few, or too long.
    """
    width, height = size
    shown = f"{name} has {width} x {height} pixels"
    if width * height > most:
        raise WsisError(f"{shown}; at most {most / 10**6:g} megapixels are taken here. Make it smaller.")
    if min(width, height) < MIN_SIDE:
        raise WsisError(f"{shown}; at least {MIN_SIDE} a side are needed.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise WsisError(f"{shown}; a photo may be {MAX_RATIO} times as long as wide. Cut it.")


def raw_photo(name: str) -> WsisError:
    """The sentence for what a camera's sensor saw: Pillow would show its small preview instead."""
    return WsisError(
        f"{name} is a camera's raw file, which cannot be read here. Develop it and save it as JPEG or PNG."
    )
