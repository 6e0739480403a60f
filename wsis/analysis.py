"""What is known of a photo: how it is looked at, what is seen, and the instances that any weights make of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral, Real
from typing import Any, get_args

import cv2
import numpy as np
from scipy.special import expit

from wsis import brushes, instances, matching, peaks
from wsis.choices import Enhancer, Mode, Naive, Reading
from wsis.errors import WsisError
from wsis.hands import Hand, Hands
from wsis.instances import Fit, Instance
from wsis.instances import semantic as semantic_map
from wsis.maps import ClassMaps, upsample
from wsis.matching import PUBLISHED, Weights
from wsis.peaks import Peaks
from wsis.proposals.proposal_set import ProposalSet, resized_labels

ENHANCERS: tuple[str, ...] = get_args(Enhancer)
REGIONS: dict[str, Enhancer] = {"icn-instances": "icn-saliency"}
"""What grows the regions of an enhancer that itself grows objects."""
WORK_SIZE = 448
"""Pixels of the longer side at which a photo is worked on."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes an analysis besides the matching weights; checked when made, before any network runs.

    Attributes:
        enhancer: what grows the naive maps; `icn-instances` grows two of each peak: by `icn-saliency` the region that
            it stands for, and by a network of its own the one object that it lies on.
        steps: T, how often an ICN is applied to its own output, 0..8.
        naive: the map an enhancer starts from: the peak's class map, its response (Eq. 2), or
            sqrt(response of the peak) + sqrt(response of the class) + class map, each min-max normalised.
        mode: how responses are back-propagated, `excitation` or `gradient`.
        class_threshold: least probability of a class whose peaks are followed.
        classes: names of the classes to follow whatever their probability, see `wsis.class_names`; None leaves it to
            the threshold, and an empty tuple follows none, so nothing is found.
        sigma: of the Gaussian in Eq. 1, in cells.
        window: side of the neighbourhood that a peak must be the maximum of, in cells.
        max_peaks: at most so many peaks a photo.
        reading: of Eq. 5, see `wsis.matching`.
        spread_strength: lambda of the diffusion; smaller spreads further.
        agreement: hold an ICN's maps back where another class disagrees and, but for `icn-instances`, superpixels, see
            `wsis.agreement`; without it they are as published.
        objectness: count how likely a proposal is one whole object, where the checkpoint can tell: in an instance's
            score, which without it is the class's probability times the IoU, and in the reading `cover` in what Eq. 5
            ranks by, see `wsis.matching.rates`.
        semantic_threshold: score from which a region is found, in pictures, counts and files, see
            `wsis.instances.is_found`; below, its class is more often wrong than right, and it is *unsure*. Of `classes`
            that were named all regions are found.

    Raises:
        WsisError: a field is not what its attribute above says.

    Examples:
        >>> Settings(enhancer="spread", classes=["cat"]).classes
        ('cat',)
        >>> Settings(steps=9)
        Traceback (most recent call last):
        wsis.errors.WsisError: steps must be a whole number between 0 and 8, got 9.
    """

    enhancer: Enhancer = "icn-instances"
    steps: int = 3
    naive: Naive = "class map"
    mode: Mode = "excitation"
    class_threshold: float = 0.1
    classes: tuple[str, ...] | None = None
    sigma: float = 2.0
    window: int = 7
    max_peaks: int = 60
    reading: Reading = "cover"
    spread_strength: float = 0.02
    agreement: bool = True
    objectness: bool = True
    semantic_threshold: float = instances.FOUND

    def __post_init__(self) -> None:
        """Check every field; a list of classes becomes a tuple."""
        for name, (title, choices) in _CHOICES.items():
            if not isinstance(value := getattr(self, name), str) or value not in choices:
                raise WsisError(f"Unknown {title} '{str(value)[:80]}'. Choose one of: {', '.join(choices)}.")
        for name, (kind, low, high, words) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
                raise WsisError(f"{name} must be {words}, got {str(value)[:80]}.")
        if self.window % 2 == 0:
            raise WsisError(f"window must be {_RANGES['window'][3]}, got {self.window}.")
        for name in ("agreement", "objectness"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise WsisError(f"{name} must be True or False, got {str(getattr(self, name))[:80]}.")
        if isinstance(self.classes, list):
            object.__setattr__(self, "classes", tuple(self.classes))
        if self.classes is not None and not (
            isinstance(self.classes, tuple) and all(isinstance(name, str) for name in self.classes)
        ):
            raise WsisError(
                f"classes must be a tuple of names, such as ('cat',), or None, got {str(self.classes)[:80]}."
            )


_CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "enhancer": ("enhancer", ENHANCERS),
    "naive": ("naive map", get_args(Naive)),
    "mode": ("mode of back-propagation", get_args(Mode)),
    "reading": ("reading of Eq. 5", matching.READINGS),
}
"""What each field with names may be, and what it is called."""
_RANGES: dict[str, tuple[Any, float, float, str]] = {
    "steps": (Integral, 0, 8, "a whole number between 0 and 8"),
    "class_threshold": (Real, 0, 1, "between 0 and 1"),
    "sigma": (Real, 0, peaks.MOST_CELLS, f"a number of cells between 0 and {peaks.MOST_CELLS}"),
    "window": (Integral, 3, peaks.MOST_CELLS, f"an odd number of cells from 3 to {peaks.MOST_CELLS}"),
    "max_peaks": (Integral, 1, sys.maxsize, "a whole number of at least 1"),
    "spread_strength": (Real, sys.float_info.min, sys.float_info.max, "a number above 0"),
    "semantic_threshold": (Real, 0, 1, "between 0 and 1"),
}
"""What each field with a number may be: its type, the least and the largest value, and this in words."""


@dataclass(frozen=True)
class Glance:
    """The first thing that is known of a photo: its class maps.

    Attributes:
        image: (H, W, 3) uint8 RGB, the photo at its own size.
        work: (h, w, 3) uint8 RGB, at most `WORK_SIZE` on the long side.
        class_maps: class maps and scores.
        seconds: how long that took.
        notes: what people should know of how it went, a sentence each.
    """

    image: np.ndarray
    work: np.ndarray
    class_maps: ClassMaps
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What a photo shows before any setting is chosen.

    Attributes:
        glance: the photo and its class maps.
        contours: (h, w) float32 in [0, 1], strength of an object boundary.
        proposals: N proposals on the work grid.
        source: the same N proposals at the size they came in; masks are read from these.
        seconds: how long each stage took; class maps and proposals are made side by side, so that both take longer than
            alone and their sum longer than the whole.
        objectness: (N,) float32 in [0, 1], how likely each proposal is one whole object; None where the checkpoint has
            no network for it.
        notes: what people should know of how it went, a sentence each.
    """

    glance: Glance
    contours: np.ndarray
    proposals: ProposalSet
    source: ProposalSet
    seconds: dict[str, float]
    objectness: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, the photo at its own size."""
        return self.glance.image

    @property
    def work(self) -> np.ndarray:
        """(h, w, 3) uint8 RGB, at most `WORK_SIZE` on the long side."""
        return self.glance.work

    @property
    def class_maps(self) -> ClassMaps:
        """Class maps and scores."""
        return self.glance.class_maps

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class ObjectMaps:
    """For each of K peaks a map of the one object that it lies on, and how well every proposal fits it.

    Attributes:
        maps: (K, h, w) float32 in [0, 1].
        binary: (K, h, w) bool, the maps above their thresholds.
        thresholds: (K,) float32.
        terms: (K, N, 3) float32, the three terms of Eq. 5.
        overlaps: (K, N) float32, IoU of binary map and proposal.
    """

    maps: np.ndarray
    binary: np.ndarray
    thresholds: np.ndarray
    terms: np.ndarray
    overlaps: np.ndarray


@dataclass(frozen=True)
class Analysis:
    """Peaks, their maps and how well every proposal fits each map.

    Attributes:
        evidence: what was seen.
        settings: how it was looked at.
        peaks: K peaks.
        maps: (T+1, K, h, w) float32 in [0, 1]; step 0 is the naive map.
        binary: (T+1, K, h, w) bool, the maps above their thresholds (V in Eq. 5).
        thresholds: (T+1, K) float32.
        terms: (T+1, K, N, 3) float32, the three terms of Eq. 5 for every proposal; `ranked_terms` are what it ranks by.
        overlaps: (T+1, K, N) float32, IoU of V and proposal.
        objects: of the enhancer `icn-instances`, the maps of the object under each peak; None of all others.
        responses: (K, h', w') float32, at least 0, the response of each peak (Eq. 2) as `wsis.response.respond` gives
            it; None where the classifier has activations that the mode cannot pass back.
        seconds: how long each stage took, the evidence's included; on processors responses and regions are made side by
            side, as are class maps and proposals.
        notes: what people should know of how it went, a sentence each, the evidence's included.
        hands: what was done by hand, see `wsis.replay`: terms and overlaps of a peak with forced regions are those of
            the proposals with these regions; of one that is chosen by its object, from step 1 on, those of that map;
            None where nobody touched it.
        base: the analysis before anybody touched it; None where nobody did.
    """

    evidence: Evidence
    settings: Settings
    peaks: Peaks
    maps: np.ndarray
    binary: np.ndarray
    thresholds: np.ndarray
    terms: np.ndarray
    overlaps: np.ndarray
    objects: ObjectMaps | None = None
    responses: np.ndarray | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    hands: Hands | None = None
    base: Analysis | None = None

    def __post_init__(self) -> None:
        """Check that all parts speak of the same steps, peaks and proposals."""
        steps, count = self.maps.shape[:2]
        expected = (steps, count, len(self.proposals), 3)
        if self.terms.shape != expected or self.terms.dtype != np.float32:
            raise ValueError(f"terms: expected {expected} float32, got {self.terms.shape} {self.terms.dtype}")
        if self.overlaps.shape != expected[:3] or len(self.peaks) != count or self.binary.shape != self.maps.shape:
            raise ValueError(
                f"expected {count} peaks, overlaps {expected[:3]}, got {len(self.peaks)}, {self.overlaps.shape}"
            )
        if self.hands is not None and len(self.hands.rows) != count:
            raise ValueError(f"hands: expected {count} peaks, got {len(self.hands.rows)}")
        if self.responses is not None and len(self.responses) != count:
            raise ValueError(f"responses: expected {count}, got {len(self.responses)}")

    @property
    def proposals(self) -> ProposalSet:
        """The N proposals on the work grid."""
        return self.evidence.proposals

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all C classes of the model."""
        return self.evidence.class_maps.classes

    @cached_property
    def steps(self) -> int:
        """T: the last step; 0 where nothing enhanced the naive maps."""
        return len(self.maps) - 1

    @property
    def peak_class_maps(self) -> np.ndarray:
        """(K, h, w) float32 class map of each peak's class at work size, in logits."""
        return peak_class_maps(self.evidence, self.peaks)

    @cached_property
    def fits(self) -> np.ndarray:
        """(T+1, K, N) float32 in [0, 1]: IoU of V and proposal, times the proposal's objectness where it counts."""
        return self.overlaps if self._objectness is None else self.overlaps * self._objectness

    @cached_property
    def object_fits(self) -> np.ndarray | None:
        """(K, N) float32 in [0, 1]: as `fits`, of the objects' maps; None where there are none."""
        if self.objects is None:
            return None
        return self.objects.overlaps if self._objectness is None else self.objects.overlaps * self._objectness

    @cached_property
    def ranked_terms(self) -> np.ndarray:
        """(T+1, K, N, 3) float32: the terms by which Eq. 5 ranks, `terms` times each proposal's rate."""
        return self.rated(self.terms, self.settings.reading)

    @cached_property
    def ranked_object_terms(self) -> np.ndarray | None:
        """(K, N, 3) float32: as `ranked_terms`, of the objects' maps; None where there are none."""
        return None if self.objects is None else self.rated(self.objects.terms, self.settings.reading)

    def terms_of(self, instance: Instance, step: int = -1) -> np.ndarray:
        """(N, 3) float32: the terms of the map that an instance was matched to at a step, for every proposal."""
        if self.objects is not None and instance.hypothesis == "object":
            return self.objects.terms[instance.peak]
        return self.terms[step, instance.peak]

    def ranked_terms_of(self, instance: Instance, step: int = -1) -> np.ndarray:
        """(N, 3) float32: those of `terms_of` times each proposal's rate, by which Eq. 5 chose the instance."""
        return self.rated(self.terms_of(instance, step), self.settings.reading)

    def rated(self, terms: np.ndarray, reading: Reading) -> np.ndarray:
        """Terms, (..., N, 3) float32, times each proposal's rate: those that Eq. 5 ranks by."""
        rates = self.rates(reading)
        return terms if rates is None else terms * rates[:, None]

    def rates(self, reading: Reading) -> np.ndarray | None:
        """(N,) float32, by how much each proposal's terms count in a reading, see `wsis.matching.rates`.

        None where all count alike: without objectness, and in other readings than our own of Eq. 5, which stay as
        their authors wrote them.
        """
        return None if self._objectness is None or reading != "cover" else matching.rates(self._objectness)

    @cached_property
    def offers(self) -> tuple[Instance, ...]:
        """What each followed class may add to its peaks' picks, by falling score: whatever is an object by itself.

        The objectness of a proposal (half its rank score where there is none) x the root of the class's mean
        probability inside x the class's probability in the photo.
        """
        proposals, peaks = self.proposals, self.peaks
        objectness = proposals.scores / 2 if self._objectness is None else self._objectness
        categories = np.unique(peaks.classes)
        probability = expit(upsample(self.evidence.class_maps.maps[categories], proposals.size))
        inside = proposals.sums(probability) @ proposals.membership_f32.T / np.maximum(proposals.areas, 1)
        rows, columns = (peaks.places * proposals.size).astype(np.int64).T
        holds = proposals.membership[:, proposals.labels[rows, columns]].T
        offered: list[Instance] = []
        for category, share in zip(categories.tolist(), inside, strict=True):
            certainty = float(self.evidence.class_maps.scores[category])
            of_class = np.flatnonzero(peaks.classes == category)
            scores = (objectness * np.sqrt(share)).astype(np.float32)
            name = self.classes[category]
            offered += instances.offers(category, name, certainty, scores, of_class, peaks.values, holds)
        return tuple(sorted(offered, key=lambda offer: -offer.score))

    @property
    def _objectness(self) -> np.ndarray | None:
        return self.evidence.objectness if self.settings.objectness else None

    def instances(self, weights: Weights = PUBLISHED, step: int = -1, fill: int = 0) -> tuple[Instance, ...]:
        """The best proposal of every peak after class-wise NMS, and objects that peaks offer besides.

        Args:
            weights: alpha, beta, gamma of Eq. 5.
            step: which map to match, 0..T; -1 is the last.
            fill: up to how many masks offers are added, see `wsis.instances.assemble`.

        Returns:
            Instances by falling score. Those of step 0, the naive maps, follow from these alone.
        """
        terms, fits = self.ranked_object_terms, self.object_fits
        return instances.assemble(
            self.peaks,
            Fit(self.ranked_terms[step], self.fits[step]),
            self.proposals,
            self.classes,
            weights,
            objects=None if step == 0 or terms is None or fits is None else Fit(terms, fits),
            offers=self.offers if fill and len(self.peaks) else (),
            fill=fill,
            least=self.least,
            hands=self.hands,
        )

    def hand(self, instance: Instance) -> Hand | None:
        """What was done by hand to an instance; None where it is the method's own."""
        return self.hands.rows[instance.peak] if instance.by_hand and self.hands is not None else None

    def members(self, instance: Instance) -> np.ndarray:
        """(R,) bool: the regions of an instance, forced ones included; pixels of a brush are not among them."""
        members, hand = self.proposals.membership[instance.proposal], self.hand(instance)
        return members if hand is None else hand.members(members)

    def work_mask(self, instance: Instance) -> np.ndarray:
        """(h, w) bool mask on the work grid."""
        hand = self.hand(instance)
        if hand is not None and hand.pixels:
            height, width = self.proposals.size
            large = self.mask(instance).astype(np.uint8)
            return cv2.resize(large, (width, height), interpolation=cv2.INTER_NEAREST) > 0
        return self.members(instance)[self.proposals.labels]

    def mask(self, instance: Instance) -> np.ndarray:
        """(H, W) bool mask at the photo's own size."""
        return next(self.masks([instance]))

    def masks(self, instances: Iterable[Instance]) -> Iterator[np.ndarray]:
        """What `mask` gives for each instance, (H, W) bool one after the other.

        Many masks of a large photo are quick this way and never in memory together.
        """
        source = self.evidence.source
        labels = resized_labels(source.labels, self.evidence.size)
        for instance in instances:
            hand, members = self.hand(instance), source.membership[instance.proposal]
            mask = (members if hand is None else hand.members(members))[labels]
            yield mask if hand is None or not hand.pixels else self._drawn(hand, mask)

    def _drawn(self, hand: Hand, mask: np.ndarray) -> np.ndarray:
        """(H, W) bool: a mask after what was drawn on it; kept, for an edge takes a fraction of a second to draw."""
        known = (hand, mask.tobytes())
        if known not in self._drawings:
            self._drawings[known] = brushes.applied(mask, hand.pixels, self.evidence.image)
        return self._drawings[known]

    @cached_property
    def _drawings(self) -> dict[tuple[Hand, bytes], np.ndarray]:
        return {}

    def semantic(self, listed: Sequence[Instance]) -> np.ndarray:
        """(H, W) at the photo's own size: 0 background, c + 1 for class c, the best instance on top.

        uint8; uint16 where the model has more than 254 classes, whichever were found: 255 is void in 8 bits.
        """
        source, size = self.evidence.source, self.evidence.size
        own = [instance for instance in listed if not instance.by_hand]
        painted = semantic_map(own, source, size=size, count=len(self.classes))
        by_hand = [instance for instance in instances.in_painting_order(listed) if instance.by_hand]
        for instance, mask in zip(by_hand, self.masks(by_hand), strict=True):
            painted[mask] = instance.category + 1
        return painted

    @property
    def least(self) -> float:
        """The score from which a region is found, see `wsis.instances.is_found`; 0 where its class was named."""
        return self.settings.semantic_threshold if self.settings.classes is None else 0.0

    def terms_at(self, step: int, reading: Reading, class_maps: np.ndarray | None = None) -> np.ndarray:
        """(K, N, 3) float32: the three terms of Eq. 5 of one step's maps in any reading.

        Args:
            step: 0..T.
            reading: one of `wsis.matching.READINGS`.
            class_maps: `peak_class_maps` where they are at hand, for those who ask for several steps; None makes them
                where the reading needs them.
        """
        if reading == self.settings.reading:
            return self.terms[step]
        if class_maps is None and reading == "prm-2018":
            class_maps = self.peak_class_maps
        terms = self._measured(self.maps[step], self.binary[step], reading, class_maps)
        hands = self.hands.rows if self.hands and step % len(self.maps) else ()
        rows = [k for k, hand in enumerate(hands) if hand.by_object]
        if rows and self.objects is not None:
            by_object = self._measured(self.objects.maps, self.objects.binary, reading, class_maps)
            terms[rows] = by_object[rows]
        return terms

    def _measured(
        self, maps: np.ndarray, binary: np.ndarray, reading: Reading, class_maps: np.ndarray | None
    ) -> np.ndarray:
        """(K, N, 3) float32: the terms of maps of all peaks, those of forced regions with them."""
        terms = matching.terms(maps, self.proposals, reading, class_maps=class_maps, binary=binary)
        for k, hand in enumerate(self.hands.rows if self.hands else ()):
            if hand.forced:
                own = slice(k, k + 1)
                of_class = None if class_maps is None else class_maps[own]
                forced = self.forced_proposals(hand)
                terms[k] = matching.terms(maps[own], forced, reading, class_maps=of_class, binary=binary[own])[0]
        return terms

    def proposals_of(self, peak: int) -> ProposalSet:
        """The N proposals as a peak has them: with its forced regions, where there are any."""
        hand = self.hands.rows[peak] if self.hands else None
        return self.proposals if hand is None or not hand.forced else self.forced_proposals(hand)

    def forced_proposals(self, hand: Hand) -> ProposalSet:
        """The N proposals with a peak's forced regions."""
        return replace(self.proposals, membership=hand.members(self.proposals.membership))

    def at(self, step: int, reading: Reading) -> Analysis:
        """The analysis as if it ended at a step, 0..T, with the terms of any reading; naive maps have no objects."""
        objects = self.objects if step else None
        if objects is not None and reading != self.settings.reading:
            class_maps = self.peak_class_maps if reading == "prm-2018" else None
            objects = replace(objects, terms=self._measured(objects.maps, objects.binary, reading, class_maps))
        return replace(
            self,
            settings=replace(self.settings, reading=reading),
            maps=self.maps[[step]],
            binary=self.binary[[step]],
            thresholds=self.thresholds[[step]],
            terms=self.terms_at(step, reading)[None],
            overlaps=self.overlaps[[step]],
            objects=objects,
        )

    def top(self, peak: int, weights: Weights = PUBLISHED, step: int = -1, count: int = 5) -> np.ndarray:
        """Indices of a peak's best proposals by Eq. 5, best first."""
        return matching.rank(self.ranked_terms[step, peak], weights, count)


def peak_class_maps(evidence: Evidence, peaks: Peaks) -> np.ndarray:
    """(K, h, w) float32 class map of each peak's class at work size, in logits."""
    return upsample(evidence.class_maps.maps[peaks.classes], evidence.proposals.size)
