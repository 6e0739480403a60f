"""Colours as people see them: what a photo's profile says becomes sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageChops, ImageCms

_SPACES = {"RGB": "RGB ", "L": "GRAY", "I;16": "GRAY", "CMYK": "CMYK"}
"""What a profile must say of itself to fit an image's mode."""
_CLASSES = ("scnr", "mntr", "prtr", "spac")
"""Profiles of cameras, screens, printers and colour spaces; links between devices, say, describe no photo."""
_SAME = 2
"""Levels by which a profile may differ from sRGB and still be one of its usual spellings, which differ by rounding."""
_EXACT = ImageCms.Flags.NOOPTIMIZE
"""littleCMS shortens curves, in which the darkest of 65,536 levels are lost."""
_BROWSERS = 2.2
"""Gamma of the screen that a PNG's own gamma is corrected for, as libpng does for browsers."""


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Convert to sRGB by an ICC profile (perceptual intent, littleCMS).

    Args:
        image: of mode RGB, L, I;16 or CMYK; an RGB image is changed in place, to need no memory.
        profile: as the file holds it.

    Returns:
        The same size in mode RGB; None where there is nothing to do: the profile is sRGB in any spelling, is broken, or
        is of another kind than the image.
    """
    if not profile:
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if given.profile.xcolor_space == "GRAY" and image.mode == "RGB" and _is_neutral(image):
            image = image.getchannel("R")  # grey that its format, such as AVIF, hands out as colours
        fits = given.profile.xcolor_space == _SPACES[image.mode] and given.profile.device_class in _CLASSES
        if not fits or (image.mode != "CMYK" and _is_srgb(given, image.mode)):
            return None
        return _converted(image, given)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def with_gamma(image: Image.Image, gamma: float) -> Image.Image:
    """An RGB image whose file names its gamma (PNG's gAMA, such as 1 for linear light), as browsers show it."""
    exponent = 1 / (gamma * _BROWSERS) if gamma > 0 else 1.0
    if abs(exponent - 1) < 0.05:  # libpng's threshold
        return image
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8).tolist()
    return image.point(table * 3)


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    if image.mode == "I;16":
        levels = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
        table = np.asarray(_transform(profile, "I;16", _EXACT).apply(Image.fromarray(levels))).reshape(-1, 3)
        return Image.fromarray(table[np.asarray(image)])
    transform = _transform(profile, image.mode)
    if image.mode != "RGB":
        return transform.apply(image)
    transform.apply_in_place(image)
    return image


def _transform(
    profile: ImageCms.ImageCmsProfile, mode: str, flags: ImageCms.Flags = ImageCms.Flags.NONE
) -> ImageCms.ImageCmsTransform:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsTransform(profile, srgb, mode, "RGB", flags=flags)


def _is_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether a profile of RGB or grey leaves colours as they are; its name is no proof."""
    levels = np.arange(256, dtype=np.uint8)
    if mode == "RGB":
        cube = np.stack(np.meshgrid(levels[::17], levels[::17], levels[::17]), -1).reshape(64, 64, 3)
        probe = np.vstack([cube, np.repeat(levels.reshape(4, 64, 1), 3, 2)])
    else:
        mode, probe = "L", levels.reshape(4, 64)
    seen = np.asarray(_transform(profile, mode).apply(Image.fromarray(probe))).astype(int)
    return bool(np.abs(seen - (probe if mode == "RGB" else probe[..., None])).max() <= _SAME)


def _is_neutral(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(red, blue).getbbox()
