"""What the browser gets: an analysis as plain data, small enough to send and exact enough to rank there.

`stage/match.js` ranks, suppresses and paints from it without asking again. Numbers travel as zlib-packed arrays in
base64 (`pack`), pictures and the partition as PNG or JPEG `data:` URLs.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from wsis import matching
from wsis.classifier import ClassMaps
from wsis.explorer import pictures
from wsis.explorer.scene import TOP
from wsis.explorer.words import unit
from wsis.image import resized
from wsis.peaks import Peaks
from wsis.pipeline import Analysis, Evidence, Glance, Settings, normalised

PHOTO_SIZE = 1400
Message = dict[str, Any]


def pack(values: np.ndarray, kind: str) -> dict[str, str]:
    """Numbers for the browser.

    Args:
        values: any shape; sent flat, in C order.
        kind: little-endian type as in numpy: u1, u2, i4, f4.

    Returns:
        `t`, the type, and `z`, the zlib-packed bytes in base64.
    """
    packed = zlib.compress(np.ascontiguousarray(values, f"<{kind}").tobytes(), 6)
    return {"t": kind, "z": base64.b64encode(packed).decode()}


def photo(evidence: Evidence, name: str, example: str = "") -> Message:
    """The photo, its partition, and what is the same for every setting.

    `src` JPEG; `size` and `work` [width, height] of photo and partition in pixels; `labels` PNG with region = red + 256
    x green; `areas` (R,) pixels of each region; `total` proposals.
    """
    labels = evidence.proposals.labels
    return {
        "name": name,
        "example": example,
        "src": pictures.jpeg(resized(evidence.image, PHOTO_SIZE), 84),
        "size": [evidence.size[1], evidence.size[0]],
        "work": [labels.shape[1], labels.shape[0]],
        "labels": pictures.png_16(labels),
        "areas": pack(evidence.proposals.region_areas, "i4"),
        "total": len(evidence.proposals),
        "source": evidence.proposals.source,
    }


def glance(seen: Glance, peaks: Peaks, name: str) -> Message:
    """The first map, before there are proposals: photo, class map of the strongest peak, where the peaks are."""
    height, width = seen.image.shape[:2]
    shown: Message = {
        "name": name,
        "src": pictures.jpeg(resized(seen.image, PHOTO_SIZE), 84),
        "size": [width, height],
        "peaks": _peaks(seen.class_maps, peaks),
        "busy": "Proposing masks and measuring each of them",
    }
    if len(peaks):
        best = int(peaks.values.argmax())
        shown |= {"picked": best, **_class_map(seen.class_maps, peaks, best)}
    return shown


def analysis(made: Analysis) -> Message:
    """Classes, peaks and the matching of every step with every peak.

    `match` holds what can win, so the page knows what each winner is ahead of, whether its peak was picked or not.
    `named`: the classes that were asked for, None where the threshold decides.
    """
    maps = made.evidence.class_maps
    return {
        "classes": [
            {"name": name, "score": round(float(score), 4)}
            for name, score in zip(maps.classes, maps.scores, strict=True)
        ],
        "on": switched_on(maps, made.settings),
        "named": None if made.settings.classes is None else list(made.settings.classes),
        "enhancer": made.settings.enhancer,
        "reading": made.settings.reading,
        "steps": made.steps,
        "least": made.least,
        "peaks": _peaks(maps, made.peaks),
        "seconds": {stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
        "match": field(made, _cells(made), 1),
        "empty": empty(made),
    }


def other(made: Analysis) -> Message:
    """As much of a second analysis of the same peaks as the other side of the swipe needs."""
    return {"enhancer": made.settings.enhancer, "steps": made.steps, "match": field(made, _cells(made), 1)}


def peak(made: Analysis, k: int, *, runners: bool = True) -> Message:
    """One peak's maps, one PNG a step, and with `runners` everything that can be among its best few."""
    return {
        "peak": k,
        **_class_map(made.evidence.class_maps, made.peaks, k),
        "maps": [pictures.grey(step[k]) for step in made.maps],
        "binary": [pictures.png(step[k].astype(np.uint8)) for step in made.binary],
        "thresholds": [round(float(cut), 3) for cut in made.thresholds[:, k]],
        "runners": field(made, [(step, k) for step in range(made.steps + 1)], TOP) if runners else None,
    }


def field(made: Analysis, cells: Sequence[tuple[int, int]], depth: int) -> Message | None:
    """The proposals that can be among the best `depth` of any of the given (step, peak), see `stage/match.js`."""
    if not cells:
        return None
    chosen = [matching.skyband(made.terms[cell], depth) for cell in cells]
    ids = np.unique(np.concatenate(chosen))
    both = list(zip(cells, chosen, strict=True))
    return {
        "ids": pack(ids, "i4"),
        "bits": pack(np.packbits(made.proposals.membership[ids], axis=1, bitorder="little"), "u1"),
        "offsets": pack(np.cumsum([0, *map(len, chosen)]), "i4"),
        "slots": pack(np.searchsorted(ids, np.concatenate(chosen)), "u2"),
        "terms": pack(np.concatenate([made.terms[cell][one] for cell, one in both]), "f4"),
        "tints": pack(np.concatenate([pictures.tints(made.terms[cell][one], cell[1]) for cell, one in both]), "u1"),
        "fits": pack(np.concatenate([made.fits[cell][one] for cell, one in both]), "f4"),
    }


def switched_on(maps: ClassMaps, settings: Settings) -> list[str]:
    """Names of the classes whose peaks are followed, likeliest first."""
    order = [int(c) for c in np.argsort(-maps.scores, kind="stable")]
    if settings.classes is None:
        return [maps.classes[c] for c in order if maps.scores[c] >= settings.class_threshold]
    return [maps.classes[c] for c in order if maps.classes[c] in settings.classes]


def empty(made: Analysis) -> dict[str, str] | None:
    """What to say on the stage where there is no peak, and which class to offer."""
    if len(made.peaks):
        return None
    maps = made.evidence.class_maps
    best = int(maps.scores.argmax())
    name, score = maps.classes[best], unit(float(maps.scores[best]))
    if made.settings.classes == ():
        title, text = "No class is switched on", f"The likeliest class in this photo is {name} ({score})."
    elif made.settings.classes:
        title, text = "No peak in these classes", f"The likeliest class in this photo is {name} ({score})."
    else:
        title = "Nothing here that the model is sure of"
        text = (
            f"Its best guess is {name} ({score}), below the threshold of {unit(made.settings.class_threshold)}. "
            "Look for it anyway, switch on another class on the left, or choose another photo."
        )
    return {"title": title, "text": text, "name": name, "offer": f"Look for {name}"}


def _cells(made: Analysis) -> list[tuple[int, int]]:
    """Every (step, peak), as `stage/match.js` counts them."""
    return [(step, k) for step in range(made.steps + 1) for k in range(len(made.peaks))]


def _peaks(maps: ClassMaps, found: Peaks) -> list[Message]:
    rows, columns = maps.maps.shape[1:]
    return [
        {
            "x": (int(column) + 0.5) / columns,
            "y": (int(row) + 0.5) / rows,
            "name": maps.classes[int(category)],
            "category": int(category),
            "probability": float(probability),
            "value": round(float(value), 3),
            "colour": pictures.colour(k),
        }
        for k, (row, column, category, probability, value) in enumerate(
            zip(found.rows, found.columns, found.classes, found.probabilities, found.values, strict=True)
        )
    ]


def _class_map(maps: ClassMaps, found: Peaks, k: int) -> Message:
    own = maps.maps[found.classes[k]]
    return {
        "classmap": pictures.grey(normalised(own[None])[0]),
        "range": [round(float(own.min()), 3), round(float(own.max()), 3)],
        "grid": [own.shape[1], own.shape[0]],
    }
