"""Edits replayed on an analysis: the same edits give the same masks, bit for bit. Only new maps need the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import singledispatch
from typing import Any

import numpy as np
from scipy.special import expit

from wsis import class_names, matching, peak_rows, sharing
from wsis.analysis import Analysis, Evidence, Settings
from wsis.edits import (
    AddPeak,
    AsFound,
    Brush,
    Choose,
    Edit,
    EditedPhoto,
    Force,
    Keep,
    Made,
    Merge,
    MovePeak,
    Photo,
    RemovePeak,
    SetClass,
    Snap,
    Split,
)
from wsis.errors import WsisError
from wsis.hands import Hand, Hands, key
from wsis.maps import ClassMaps
from wsis.matching import Weights
from wsis.peaks import Peaks, peak_maps
from wsis.pipeline import Pipeline

MOST_PEAKS = 100
LIKELY = 5
LEVEL = 1.25
"""By how much the larger of two neighbouring `levels` is larger at least: finer steps cannot be told apart."""


def replay(pipeline: Pipeline, analysis: Analysis, edits: Sequence[Edit]) -> Analysis:
    """An analysis after edits.

    Args:
        pipeline: the model that made it.
        analysis: as found, or after edits.
        edits: what is done to it, in order.

    Raises:
        WsisError: an edit cannot be: its peak, region, proposal or class is not there.

    Examples:
        >>> from wsis import Pipeline, read
        >>> from wsis.edits import AddPeak
        >>> pipeline = Pipeline.load(device="cpu")
        >>> found = pipeline.analyse(read("assets/examples/2-cat.jpg"))
        >>> after = replay(pipeline, found, [AddPeak(name="dog", x=0.5, y=0.5)])
        >>> [instance.name for instance in after.instances() if instance.by_hand]
        ['dog']
    """
    for place, edit in enumerate(edits, 1):
        if analysis.hands is None:
            analysis = replace(analysis, hands=Hands.none(len(analysis.peaks)), base=analysis)
        try:
            analysis = _done(edit, analysis, pipeline)
        except WsisError as error:
            raise WsisError(f"Edit {place} ({edit.do}): {error}") from error
        analysis = _with_hands(analysis, edits=(*_hands(analysis).edits, edit))
    return analysis


def likely_classes(class_maps: ClassMaps, x: float, y: float, count: int = LIKELY) -> list[tuple[int, float]]:
    """What an object at a place may be, the likeliest first.

    Args:
        class_maps: of the photo.
        x: of the place, as a share of the photo's width.
        y: the same of its height.
        count: at most so many.

    Returns:
        Class indices with the probability that the class map has at this place, in [0, 1].
    """
    row, column = _cell(class_maps, x, y)
    here = expit(class_maps.maps[:, row, column])
    return [(int(c), float(here[c])) for c in np.argsort(-here, kind="stable")[:count]]


def levels(analysis: Analysis, peak: int, proposal: int) -> list[int]:
    """Proposals around a peak from its part to its group, each within the next, with a given one among them.

    They come from the hierarchies that made the proposals: from the given one upwards always the smallest that holds
    the one before, and downwards the largest within it, as long as it holds the peak.

    Args:
        analysis: where the peak is.
        peak: its row.
        proposal: index of one.

    Returns:
        Indices by rising area.
    """
    proposals = analysis.proposals
    here = _region_at(analysis, peak)
    members, areas = proposals.membership, proposals.areas
    holds = members[:, here]
    chain = [proposal]
    for upwards in (True, False):
        at = proposal
        while True:
            if upwards:
                inside = members[:, members[at]].all(1) & (areas > areas[at]) & holds
                order = np.flatnonzero(inside)
                following = order[areas[order].argmin()] if len(order) else None
            else:
                inside = ~members[:, ~members[at]].any(1) & (areas < areas[at]) & (areas > 0) & holds
                order = np.flatnonzero(inside)
                following = order[areas[order].argmax()] if len(order) else None
            if following is None:
                break
            at = int(following)
            smaller, larger = sorted((areas[at], areas[chain[-1 if upwards else 0]]))
            if larger >= LEVEL * smaller:
                chain.insert(len(chain) if upwards else 0, at)
    return chain


def record(analysis: Analysis, *, photo: str, model: str, weights: Weights, step: int) -> EditedPhoto:
    """A file of everything that was done to an analysis, see `of_file`.

    Args:
        analysis: after edits, or as found.
        photo: what the photo's file is called.
        model: that made it, as `Pipeline.load` takes it.
        weights: of Eq. 5.
        step: which map is matched, 0..T.
    """
    height, width = analysis.evidence.size
    return EditedPhoto(
        photo=Photo(name=photo, width=width, height=height),
        partition=key(analysis.proposals.labels, analysis.proposals.membership),
        made=Made(
            model=model,
            settings=asdict(analysis.settings),
            weights=(weights.alpha, weights.beta, weights.gamma),
            step=step,
        ),
        edits=analysis.hands.edits if analysis.hands else (),
    )


def settings_of(file: EditedPhoto) -> Settings:
    """How the analysis was made that a file's edits are of.

    Raises:
        WsisError: the file says something else than settings.
    """
    try:
        return Settings(**file.made.settings)
    except TypeError as error:
        raise WsisError(f"The file of edits has settings that nobody knows: {error}.") from error


def of_file(pipeline: Pipeline, evidence: Evidence, file: EditedPhoto) -> Analysis:
    """The analysis that a file of edits ends with.

    Args:
        pipeline: the model that made it.
        evidence: of the same photo.
        file: see `record`.

    Raises:
        WsisError: the photo, the model or its version gives other regions and proposals, on which the edits would land
            elsewhere; or an edit cannot be.
    """
    height, width = evidence.size
    if (width, height) != (file.photo.width, file.photo.height):
        raise WsisError(
            f"The edits are of a photo of {file.photo.width}x{file.photo.height} pixels, this one has {width}x{height}."
        )
    if key(evidence.proposals.labels, evidence.proposals.membership) != file.partition:
        raise WsisError(
            f"The edits of {file.photo.name} were made on other regions and proposals: another photo, model, "
            "file of proposals, or version."
        )
    return replay(pipeline, pipeline.analyse(evidence, settings_of(file)), file.edits)


@singledispatch
def _done(edit: Edit, _analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    """The analysis after one edit."""
    raise TypeError(f"unknown edit {edit!r}")


@_done.register
def _(edit: AddPeak, analysis: Analysis, pipeline: Pipeline) -> Analysis:
    if len(analysis.peaks) >= MOST_PEAKS:
        raise WsisError(f"There are {MOST_PEAKS} peaks already; remove one first.")
    hands = _hands(analysis)
    peaks = peak_rows.joined(analysis.peaks, _peak(analysis, _category(analysis, pipeline, edit.name), edit.x, edit.y))
    fresh = pipeline.follow(analysis.evidence, analysis.settings, peaks, np.array([len(analysis.peaks)]))
    hand = Hand(hands.next, added=True, of=_own_source(analysis))
    row, placed = len(analysis.peaks), replace(hands, rows=(*hands.rows, hand), next=hands.next + 1)
    return _measured(peak_rows.put(analysis, fresh, row, placed), row, hand)


@_done.register
def _(edit: MovePeak, analysis: Analysis, pipeline: Pipeline) -> Analysis:
    row = _row(analysis, edit.peak)
    moved = _peak(analysis, int(analysis.peaks.classes[row]), edit.x, edit.y)
    return _again(pipeline, analysis, row, moved, moved=True)


@_done.register
def _(edit: SetClass, analysis: Analysis, pipeline: Pipeline) -> Analysis:
    row = _row(analysis, edit.peak)
    y, x = analysis.peaks.places[row]
    named = _peak(analysis, _category(analysis, pipeline, edit.name), float(x), float(y))
    return _again(pipeline, analysis, row, named, named=True)


@_done.register
def _(edit: RemovePeak, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    return peak_rows.without(analysis, [_row(analysis, edit.peak)])


@_done.register
def _(edit: Force, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    row = _row(analysis, edit.peak)
    hand = _hands(analysis).rows[row]
    more, less = _regions(analysis, edit.inside), _regions(analysis, edit.outside)
    inside, outside = (hand.inside | more) - less, (hand.outside | less) - more
    return _measured(
        analysis, row, replace(hand, of=_source(analysis, edit.of), inside=inside, outside=outside, proposal=None)
    )


@_done.register
def _(edit: Choose, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    row = _row(analysis, edit.peak)
    inside, outside = _regions(analysis, edit.inside), _regions(analysis, edit.outside)
    return _measured(
        analysis,
        row,
        replace(
            _hands(analysis).rows[row],
            of=_source(analysis, edit.of),
            proposal=_proposal(analysis, edit.proposal),
            inside=inside,
            outside=outside - inside,
        ),
    )


@_done.register
def _(edit: Brush, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    return _drawn(analysis, edit, edit.strokes)


@_done.register
def _(edit: Snap, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    return _drawn(analysis, edit, (edit,))


@_done.register
def _(edit: Split, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    rows = _rows(analysis, edit.peaks)
    here = [_region_at(analysis, row) for row in rows]
    if len(set(here)) < len(here):
        raise WsisError("two of the peaks lie in one region; move one of them first.")
    parts = sharing.shared_out(analysis, rows, here, Weights(*edit.weights))
    numbers = tuple(_hands(analysis).rows[row].number for row in rows)
    for row, part in zip(rows, parts, strict=True):
        hand = replace(
            _hands(analysis).rows[row],
            of=_own_source(analysis),
            proposal=part.proposal,
            inside=part.inside,
            outside=part.outside,
            shared=numbers,
        )
        analysis = _measured(analysis, row, hand)
    return analysis


@_done.register
def _(edit: Merge, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    rows = _rows(analysis, edit.peaks)
    here = [_region_at(analysis, row) for row in rows]
    whole = sharing.merged(analysis, rows, here, Weights(*edit.weights))
    first = _hands(analysis).rows[rows[0]]
    others = tuple(_hands(analysis).rows[row].number for row in rows[1:])
    hand = replace(
        first, of="region", proposal=whole.proposal, inside=whole.inside, outside=whole.outside,
        merged=(*first.merged, *others),
    )  # fmt: skip
    return peak_rows.without(_measured(analysis, rows[0], hand), rows[1:])


@_done.register
def _(edit: Keep, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    _rows(analysis, edit.peaks)
    return _with_hands(analysis, kept=_hands(analysis).kept | {frozenset(edit.peaks)})


@_done.register
def _(edit: AsFound, analysis: Analysis, _pipeline: Pipeline) -> Analysis:
    row, base = _row(analysis, edit.peak), analysis.base
    assert base is not None
    if edit.peak >= len(base.peaks):
        raise WsisError("this peak was placed by hand; remove it instead.")
    hands = _hands(analysis)
    rows = (*hands.rows[:row], Hand(edit.peak), *hands.rows[row + 1 :])
    return peak_rows.put(analysis, base, row, replace(hands, rows=rows), at=edit.peak)


def _hands(analysis: Analysis) -> Hands:
    assert analysis.hands is not None
    return analysis.hands


def _with_hands(analysis: Analysis, **changes: Any) -> Analysis:
    return replace(analysis, hands=replace(_hands(analysis), **changes))


def _row(analysis: Analysis, number: int) -> int:
    row = _hands(analysis).row(number)
    if row is None:
        raise WsisError(f"there is no peak {number}.")
    return row


def _rows(analysis: Analysis, numbers: Sequence[int]) -> list[int]:
    """Rows of several peaks, which must be of one class."""
    rows = [_row(analysis, number) for number in numbers]
    if len(set(rows)) < len(rows):
        raise WsisError("a peak is named twice.")
    if len(set(analysis.peaks.classes[rows].tolist())) > 1:
        raise WsisError("the peaks are of different classes.")
    return rows


def _regions(analysis: Analysis, regions: Sequence[int]) -> frozenset[int]:
    count = analysis.proposals.membership.shape[1]
    if any(region >= count for region in regions):
        raise WsisError(f"there is no region {max(regions)}; the last is {count - 1}.")
    return frozenset(regions)


def _proposal(analysis: Analysis, proposal: int) -> int:
    if proposal >= len(analysis.proposals):
        raise WsisError(f"there is no proposal {proposal}; the last is {len(analysis.proposals) - 1}.")
    return proposal


def _category(analysis: Analysis, pipeline: Pipeline, name: str) -> int:
    return analysis.classes.index(class_names.known((name,), analysis.classes, pipeline.name, pipeline.synonyms)[0])


def _source(analysis: Analysis, wanted: str) -> Any:
    """Objects only where there are maps of them."""
    return wanted if analysis.objects is not None else "region"


def _own_source(analysis: Analysis) -> Any:
    """Who points at a thing means this one object."""
    return _source(analysis, "object")


def _cell(class_maps: ClassMaps, x: float, y: float) -> tuple[int, int]:
    """Row and column of the class maps' cell at a place."""
    height, width = class_maps.maps.shape[1:]
    return min(int(y * height), height - 1), min(int(x * width), width - 1)


def _region_at(analysis: Analysis, row: int) -> int:
    """The region that a peak lies in."""
    y, x = (analysis.peaks.places[row] * analysis.proposals.size).astype(np.int64)
    return int(analysis.proposals.labels[y, x])


def _peak(analysis: Analysis, category: int, x: float, y: float) -> Peaks:
    """One peak of a class at the cell under a place."""
    maps = analysis.evidence.class_maps
    row, column = _cell(maps, x, y)
    strength = peak_maps(maps.maps[[category]], analysis.settings.sigma)[0]
    return Peaks(
        np.array([category]),
        np.array([row]),
        np.array([column]),
        strength[[row], [column]],
        maps.scores[[category]].astype(np.float32),
        (maps.maps.shape[1], maps.maps.shape[2]),
    )


def _again(pipeline: Pipeline, analysis: Analysis, row: int, peak: Peaks, **changes: bool) -> Analysis:
    """A peak elsewhere or of another class: its maps anew; what was chosen and drawn stays."""
    hands = _hands(analysis)
    peaks = peak_rows.joined(peak_rows.joined(analysis.peaks[:row], peak), analysis.peaks[row + 1 :])
    fresh = pipeline.follow(analysis.evidence, analysis.settings, peaks, np.array([row]))
    hand = replace(hands.rows[row], **changes)  # type: ignore[arg-type]
    if not hands.rows[row].touched:
        hand = replace(hand, of=_own_source(analysis))
    rows = (*hands.rows[:row], hand, *hands.rows[row + 1 :])
    after = peak_rows.put(analysis, fresh, row, replace(hands, rows=rows))
    return _measured(after, row, hand)


def _measured(analysis: Analysis, row: int, hand: Hand) -> Analysis:
    """With a peak's proposals measured as its hand has them: with forced regions, by the map that it is chosen by."""
    hands = _hands(analysis)
    after = replace(analysis, hands=replace(hands, rows=(*hands.rows[:row], hand, *hands.rows[row + 1 :])))
    proposals, own = after.proposals_of(row), slice(row, row + 1)
    reading, class_maps = after.settings.reading, None
    if reading == "prm-2018":
        class_maps = after.peak_class_maps[own]

    def measured(maps: np.ndarray, binary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        terms = matching.terms(maps, proposals, reading, class_maps=class_maps, binary=binary)
        return terms[0], matching.iou(binary, proposals)[0]

    terms, overlaps = after.terms.copy(), after.overlaps.copy()
    for step in range(len(after.maps)):
        terms[step, row], overlaps[step, row] = measured(after.maps[step, own], after.binary[step, own])
    objects = after.objects
    if objects is not None:
        object_terms, object_overlaps = objects.terms.copy(), objects.overlaps.copy()
        object_terms[row], object_overlaps[row] = measured(objects.maps[own], objects.binary[own])
        objects = replace(objects, terms=object_terms, overlaps=object_overlaps)
        if hand.by_object:
            terms[1:, row], overlaps[1:, row] = object_terms[row], object_overlaps[row]
    return replace(after, terms=terms, overlaps=overlaps, objects=objects)


def _drawn(analysis: Analysis, edit: Brush | Snap, changes: Sequence[Any]) -> Analysis:
    """With strokes or a snap on a peak's mask, whose proposal stays the chosen one."""
    row = _row(analysis, edit.peak)
    hand = _hands(analysis).rows[row]
    hand = replace(
        hand,
        of=_source(analysis, edit.of),
        proposal=_proposal(analysis, edit.proposal),
        pixels=(*hand.pixels, *changes),
    )
    return _measured(analysis, row, hand)
