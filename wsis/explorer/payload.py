"""What the browser gets: an analysis as plain data, small enough to send and exact enough to rank there.

`stage/match.js` ranks, suppresses and paints from it without asking again. Numbers travel as zlib-packed arrays in
base64 (`pack`), pictures and the partition as PNG or JPEG `data:` URLs.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from wsis import edits, matching, replay
from wsis.analysis import Analysis, Evidence, Glance, Settings
from wsis.class_names import NONE, Synonyms
from wsis.explorer import pictures
from wsis.explorer.words import unit
from wsis.hands import Hand, key
from wsis.image import resized
from wsis.maps import ClassMaps, normalised
from wsis.peaks import Peaks

PHOTO_SIZE = 1400
GRID_SIZE = 192
"""Pixels of the longer side of a map in the grid."""
LIKELIEST = 5
"""So many classes are offered where nothing passes the threshold."""
Packed = dict[str, Any]
"""A part of a message, as JSON has it."""


def pack(values: np.ndarray, kind: str) -> dict[str, str]:
    """Numbers for the browser.

    Args:
        values: any shape; sent flat, in C order.
        kind: little-endian type as in numpy: u1, u2, i4, f4, f8.

    Returns:
        `t`, the type, and `z`, the zlib-packed bytes in base64.
    """
    packed = zlib.compress(np.ascontiguousarray(values, f"<{kind}").tobytes(), 6)
    return {"t": kind, "z": base64.b64encode(packed).decode()}


def photo(evidence: Evidence, name: str, example: str = "") -> Packed:
    """The photo, its partition, and what is the same for every setting.

    `src` JPEG; `size` and `work` [width, height] of photo and partition in pixels; `labels` PNG with region = red + 256
    x green; `areas` (R,) pixels of each region; `bits` of all `total` proposals, as in a field.
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
        "bits": pack(_bits(evidence.proposals.membership), "u1"),
        "total": len(evidence.proposals),
        "source": evidence.proposals.source,
    }


def glance(seen: Glance, peaks: Peaks, name: str) -> Packed:
    """The first map, before there are proposals: photo, class map of the strongest peak, where the peaks are."""
    height, width = seen.image.shape[:2]
    shown: Packed = {
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


def analysis(made: Analysis) -> Packed:
    """Classes, peaks and the matching of every step with every peak.

    `match` holds what can win, so the page knows what each winner is ahead of, whether its peak was picked or not.
    `named`: the classes that were asked for, None where the threshold decides.
    """
    maps = made.evidence.class_maps
    on = switched_on(maps, made.settings)
    done = made.hands.edits if made.hands else ()
    return {
        "classes": [_class(maps, c, members=name in on) for c, name in enumerate(maps.classes)],
        "on": on,
        "named": None if made.settings.classes is None else list(made.settings.classes),
        "enhancer": made.settings.enhancer,
        "reading": made.settings.reading,
        "steps": made.steps,
        "objects": made.objects is not None,
        "least": made.least,
        "peaks": _peaks(maps, made.peaks),
        "seconds": {stage: round(seconds, 3) for stage, seconds in made.seconds.items()},
        "match": field(made, _cells(made), 1),
        "offers": offers(made),
        "empty": empty(made),
        "hands": _hands(made),
        "edits": edits.plain(done),
        "partition": key(made.proposals.labels, made.proposals.membership) if done else None,
    }


def offers(made: Analysis) -> Packed | None:
    """What classes may add to their peaks' picks, best first, see `stage/offers.js`; None where there is nothing.

    Of each: `peaks`, the peak that it is told with; `ids`, its proposal; `scores`.
    """
    offered = made.offers if len(made.peaks) else ()
    if not offered:
        return None
    return {
        "peaks": pack(np.array([one.peak for one in offered]), "i4"),
        "ids": pack(np.array([one.proposal for one in offered]), "i4"),
        "scores": pack(np.array([one.score for one in offered]), "f8"),
    }


def other(made: Analysis, compare: str) -> Packed:
    """As much of a second analysis of the same photo as the other side of the swipe needs.

    `compare` says which it is. Enhancers share their peaks; a model of its own has its own.
    """
    return {
        "compare": compare,
        "enhancer": made.settings.enhancer,
        "steps": made.steps,
        "objects": made.objects is not None,
        "least": made.least,
        "peaks": _peaks(made.evidence.class_maps, made.peaks),
        "match": field(made, _cells(made), 1),
        "hands": _hands(made),
    }


def counterpart(made: Analysis, k: int, second: Analysis, other_names: Synonyms = NONE) -> int | None:
    """The peak of a second analysis that answers peak k of the first: the nearest of its class, else the surest one.

    Args:
        made: the first analysis.
        k: one of its peaks.
        second: of the same photo.
        other_names: of classes of either: `airplane` answers `aeroplane`.

    Returns:
        None where the second has no peaks; k itself where both have the same.
    """
    if second.evidence.class_maps is made.evidence.class_maps and len(second.peaks) == len(made.peaks):
        return k
    if not len(second.peaks):
        return None
    name = made.classes[int(made.peaks.classes[k])]
    named = [second.classes[int(c)] for c in second.peaks.classes]
    alike = [j for j, own in enumerate(named) if own == name]
    alike = alike or [
        j for j, own in enumerate(named) if name in other_names.get(own, ()) or own in other_names.get(name, ())
    ]
    if alike:
        away = np.hypot(*(second.peaks.places[alike] - made.peaks.places[k]).T)
        return alike[int(away.argmin())]
    found = second.instances()
    return found[0].peak if found else int(second.peaks.values.argmax())


def peak(made: Analysis, k: int, *, runners: bool = True) -> Packed:
    """One peak's response (Eq. 2) and maps, one PNG a step, and with `runners` the terms of all proposals.

    After the last step comes the map of the object under the peak, where there is one.
    """
    maps, binary, cuts = list(made.maps), list(made.binary), list(made.thresholds)
    if made.objects is not None:
        maps, binary, cuts = (
            [*maps, made.objects.maps], [*binary, made.objects.binary], [*cuts, made.objects.thresholds]
        )  # fmt: skip
    return {
        "peak": k,
        **_class_map(made.evidence.class_maps, made.peaks, k),
        "response": None if made.responses is None else pictures.grey(normalised(made.responses[[k]])[0]),
        "maps": [pictures.grey(step[k]) for step in maps],
        "binary": [pictures.png(step[k].astype(np.uint8)) for step in binary],
        "bands": [pictures.png(matching.contour_bands(step[[k]])[0].astype(np.uint8)) for step in binary],
        "thresholds": [round(float(cut[k]), 3) for cut in cuts],
        "runners": _runners(made, k) if runners else None,
    }


def grid(made: Analysis, chosen: Sequence[int], *, response: bool = True) -> list[Packed]:
    """Columns for the grid on the stage: of each chosen peak its last map, and with `response` its response (Eq. 2)."""
    return [
        {
            "peak": k,
            "enhancer": made.settings.enhancer,
            "step": made.steps,
            "response": pictures.grey(_small(normalised(made.responses[[k]])[0]))
            if response and made.responses is not None
            else None,
            "map": pictures.grey(_small(made.maps[-1, k])),
        }
        for k in chosen
    ]


def _small(values: np.ndarray) -> np.ndarray:
    """(H, W) float32, at most `GRID_SIZE` on the long side."""
    scale = min(1.0, GRID_SIZE / max(values.shape))
    size = max(1, round(values.shape[1] * scale)), max(1, round(values.shape[0] * scale))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def field(made: Analysis, cells: Sequence[tuple[int, int]], depth: int) -> Packed | None:
    """The proposals that can be among the best `depth` of any of the given (step, peak), see `stage/match.js`.

    The step after the last stands for the objects' maps.
    """
    if not cells:
        return None
    terms, fits = list(made.ranked_terms), list(made.fits)
    if made.ranked_object_terms is not None and made.object_fits is not None:
        terms, fits = [*terms, made.ranked_object_terms], [*fits, made.object_fits]
    rows = made.hands.rows if made.hands else (None,) * len(made.peaks)
    chosen = [_with_chosen(matching.skyband(terms[step][k], depth), rows[k]) for step, k in cells]
    # A peak with forced regions has proposals of its own: they stand under numbers beyond the photo's.
    total = len(made.proposals)
    own = [one + total * (k + 1) if (hand := rows[k]) and hand.forced else one
           for (_, k), one in zip(cells, chosen, strict=True)]  # fmt: skip
    ids = np.unique(np.concatenate(own))
    both = [(step, k, one) for (step, k), one in zip(cells, chosen, strict=True)]
    return {
        "ids": pack(ids % total, "i4"),
        "bits": pack(_bits(_members(made, ids)), "u1"),
        "offsets": pack(np.cumsum([0, *map(len, chosen)]), "i4"),
        "slots": pack(np.searchsorted(ids, np.concatenate(own)), "u2"),
        "terms": pack(np.concatenate([terms[step][k][one] for step, k, one in both]), "f4"),
        "tints": pack(np.concatenate([pictures.tints(terms[step][k][one], k) for step, k, one in both]), "u1"),
        "fits": pack(np.concatenate([fits[step][k][one] for step, k, one in both]), "f4"),
        "rates": pack(_rates(made)[ids % total], "f4"),
    }


def _rates(made: Analysis) -> np.ndarray:
    """(N,) float32: by how much each proposal's terms count."""
    rates = made.rates(made.settings.reading)
    return np.ones(len(made.proposals), np.float32) if rates is None else rates


def _with_chosen(ids: np.ndarray, hand: Hand | None) -> np.ndarray:
    """With the proposal that a hand has chosen, ascending."""
    return ids if hand is None or hand.proposal is None else np.union1d(ids, [hand.proposal])


def _members(made: Analysis, ids: np.ndarray) -> np.ndarray:
    """(n, R) bool: regions of proposals, beyond the photo's with a peak's forced ones."""
    peak, proposal = np.divmod(ids, len(made.proposals))
    members = made.proposals.membership[proposal]
    for k in np.unique(peak[peak > 0]).tolist():
        assert made.hands is not None
        members[peak == k] = made.hands.rows[k - 1].members(members[peak == k])
    return members


def _hands(made: Analysis) -> list[Packed] | None:
    """What was done to each peak; `mask` is that of an instance whose pixels were drawn, at the photo's own size."""
    if made.hands is None:
        return None
    pixels = any(hand.pixels for hand in made.hands.rows)
    drawn = {one.peak: one for one in made.instances() if one.by_hand} if pixels else {}
    return [
        {
            "number": hand.number,
            "touched": hand.touched,
            "added": hand.added,
            "of": hand.of,
            "proposal": hand.proposal,
            "inside": sorted(hand.inside),
            "outside": sorted(hand.outside),
            "mask": pictures.png(made.mask(drawn[k]).astype(np.uint8)) if hand.pixels else None,
        }
        for k, hand in enumerate(made.hands.rows)
    ]


def levels(made: Analysis, k: int, proposal: int) -> Packed:
    """Proposals around a peak, from its part to its group, see `wsis.replay.levels`."""
    return {"peak": k, "proposal": proposal, "ids": replay.levels(made, k, proposal)}


def _runners(made: Analysis, k: int) -> Packed:
    """All proposals of peak k at every step, so that the page can rank, group and show any of them.

    `terms` (steps, count, 3), times `rates` (count); `tints` (steps, count) as in a field, `pictures.GREY` where a
    proposal cannot win.
    """
    terms = np.stack([step[k] for step in made.ranked_terms])
    tints = np.full(terms.shape[:2], pictures.GREY, np.uint8)
    for own, row in zip(terms, tints, strict=True):
        front = matching.pareto(own)
        row[front] = pictures.tints(own[front], k)
    return {
        "count": terms.shape[1],
        "steps": len(terms),
        "terms": pack(terms, "f4"),
        "tints": pack(tints, "u1"),
        "rates": pack(_rates(made), "f4"),
    }


def _bits(membership: np.ndarray) -> np.ndarray:
    """(N, R) bool, eight to a byte, the first in the lowest bit."""
    return np.packbits(membership, axis=1, bitorder="little")


def switched_on(maps: ClassMaps, settings: Settings) -> list[str]:
    """Names of the classes whose peaks are followed, likeliest first."""
    order = [int(c) for c in np.argsort(-maps.scores, kind="stable")]
    if settings.classes is None:
        return [maps.classes[c] for c in order if maps.scores[c] >= settings.class_threshold]
    return [maps.classes[c] for c in order if maps.classes[c] in settings.classes]


def empty(made: Analysis) -> Packed | None:
    """What to say on the stage where there is no peak, and which classes to offer: `likeliest`, best first."""
    if len(made.peaks):
        return None
    maps = made.evidence.class_maps
    likeliest = [_class(maps, int(c)) for c in np.argsort(-maps.scores, kind="stable")[:LIKELIEST]]
    name, score = likeliest[0]["name"], unit(float(maps.scores.max()))
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
    return {"title": title, "text": text, "name": name, "offer": f"Look for {name}", "likeliest": likeliest}


def _class(maps: ClassMaps, c: int, *, members: bool = False) -> Packed:
    """A class with its score, and with `members` what it may be, where it stands for several."""
    told: Packed = {"name": maps.classes[c], "score": round(float(maps.scores[c]), 4)}
    several = maps.members.get(told["name"], ()) if members else ()
    return (
        {**told, "members": [{"name": name, "share": round(share, 4)} for name, share in several]} if several else told
    )


def _cells(made: Analysis) -> list[tuple[int, int]]:
    """Every (step, peak), as `stage/match.js` counts them: the objects' maps, where there are any, as one step more."""
    rows = made.steps + 1 + (made.objects is not None)
    return [(step, k) for step in range(rows) for k in range(len(made.peaks))]


def _peaks(maps: ClassMaps, found: Peaks) -> list[Packed]:
    return [
        {
            "x": x,
            "y": y,
            "name": maps.classes[int(category)],
            "category": int(category),
            "probability": float(probability),
            "value": round(float(value), 3),
            "colour": pictures.colour(k),
        }
        for k, ((y, x), category, probability, value) in enumerate(
            zip(found.places.tolist(), found.classes, found.probabilities, found.values, strict=True)
        )
    ]


def _class_map(maps: ClassMaps, found: Peaks, k: int) -> Packed:
    own = maps.maps[found.classes[k]]
    return {
        "classmap": pictures.grey(normalised(own[None])[0]),
        "range": [round(float(own.min()), 3), round(float(own.max()), 3)],
        "grid": [own.shape[1], own.shape[0]],
    }
