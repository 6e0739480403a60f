"""Algorithm 1: a photo to instances. Slow once, instant after.

`Pipeline.observe` looks at a photo (class maps, contours, proposals), `Pipeline.analyse` finds peaks, grows a map for
each and measures every proposal against it, and `Analysis.instances` picks, for any weights, in well under a
millisecond.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit

from wsis import checkpoints, class_names, devices, icn, instances, matching, memory, peaks, response
from wsis.agreement import agreed, class_share
from wsis.classifier import SIZES, VIEWS, ClassMaps
from wsis.errors import WsisError
from wsis.image import resized
from wsis.instances import Instance
from wsis.matching import PUBLISHED, Reading, Weights
from wsis.peaks import Peaks
from wsis.proposals import ProposalSet, contours, generate, objectness
from wsis.spread import spread

Enhancer = Literal["none", "spread", "icn-proposal", "icn-saliency"]
Naive = Literal["class map", "response", "mixed"]
ENHANCERS: tuple[str, ...] = get_args(Enhancer)
WORK_SIZE = 448
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """Everything that shapes an analysis besides the matching weights; checked when made, before any network runs.

    Attributes:
        enhancer: what grows the naive maps.
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
        agreement: hold an ICN's maps back where superpixels or another class disagree, see `wsis.agreement`; without
            it they are as published.
        objectness: count in an instance's score how likely its proposal is one whole object, where the checkpoint can
            tell; without it the score is the class's probability times the IoU.
        semantic_threshold: least score of an instance that is painted into the semantic map; below, its class is more
            often wrong than right. Instances of `classes` that were named are always painted.
    """

    enhancer: Enhancer = "icn-saliency"
    steps: int = 3
    naive: Naive = "class map"
    mode: response.Mode = "excitation"
    class_threshold: float = 0.1
    classes: tuple[str, ...] | None = None
    sigma: float = 2.0
    window: int = 7
    max_peaks: int = 60
    reading: Reading = "cover"
    spread_strength: float = 0.02
    agreement: bool = True
    objectness: bool = True
    semantic_threshold: float = 0.1

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
    "mode": ("mode of back-propagation", response.MODES),
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
        image: (H, W, 3) uint8 RGB, the photo at its own size.
        work: (h, w, 3) uint8 RGB, at most `WORK_SIZE` on the long side.
        class_maps: class maps and scores.
        contours: (h, w) float32 in [0, 1], strength of an object boundary.
        proposals: N proposals on the work grid.
        source: the same N proposals at the size they came in; masks are read from these.
        seconds: how long each stage took; class maps and proposals are made side by side, so that both take longer than
            alone and their sum longer than the whole.
        objectness: (N,) float32 in [0, 1], how likely each proposal is one whole object; None where the checkpoint has
            no network for it.
        notes: what people should know of how it went, a sentence each.
    """

    image: np.ndarray
    work: np.ndarray
    class_maps: ClassMaps
    contours: np.ndarray
    proposals: ProposalSet
    source: ProposalSet
    seconds: dict[str, float]
    objectness: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        return self.image.shape[0], self.image.shape[1]


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
        terms: (T+1, K, N, 3) float32, the three terms of Eq. 5 for every proposal.
        overlaps: (T+1, K, N) float32, IoU of V and proposal.
        seconds: how long each stage took, the evidence's included.
        notes: what people should know of how it went, a sentence each, the evidence's included.
    """

    evidence: Evidence
    settings: Settings
    peaks: Peaks
    maps: np.ndarray
    binary: np.ndarray
    thresholds: np.ndarray
    terms: np.ndarray
    overlaps: np.ndarray
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
    def own_class_maps(self) -> np.ndarray:
        """(K, h, w) float32 class map of each peak's class at work size, not normalised."""
        return class_maps_of(self.evidence, self.peaks)

    @cached_property
    def fits(self) -> np.ndarray:
        """(T+1, K, N) float32 in [0, 1]: IoU of V and proposal, times the proposal's objectness where it counts."""
        return self.overlaps if self._objectness is None else self.overlaps * self._objectness

    @cached_property
    def own_objects(self) -> np.ndarray:
        """(K, N) float32 in [0, 1]: how much each proposal is by itself an object of the peak's class, at the peak.

        Objectness (half the proposals' rank score where there is none) times the root of the class's mean probability
        inside; 0 where the peak lies outside.
        """
        proposals, peaks = self.proposals, self.peaks
        objectness = proposals.scores / 2 if self._objectness is None else self._objectness
        categories, own = np.unique(peaks.classes, return_inverse=True)
        grid = self.evidence.class_maps.maps[categories]
        probability = expit(upsample(grid, proposals.size))
        inside = proposals.sums(probability) @ proposals.membership_f32.T / np.maximum(proposals.areas, 1)
        place = (np.stack([peaks.rows, peaks.columns], 1) + 0.5) / grid.shape[1:] * proposals.size
        rows, columns = place.astype(np.int64).T
        there = proposals.membership[:, proposals.labels[rows, columns]].T
        return (objectness * np.sqrt(inside)[own] * there).astype(np.float32)

    @property
    def _objectness(self) -> np.ndarray | None:
        return self.evidence.objectness if self.settings.objectness else None

    def instances(self, weights: Weights = PUBLISHED, step: int = -1, per_peak: int = 1) -> tuple[Instance, ...]:
        """The best proposal of every peak after class-wise NMS, and objects that peaks offer besides.

        Args:
            weights: alpha, beta, gamma of Eq. 5.
            step: which map to match, 0..T; -1 is the last.
            per_peak: how many proposals a peak may offer, see `wsis.instances.assemble`.

        Returns:
            Instances by falling score.
        """
        return instances.assemble(
            self.peaks,
            self.terms[step],
            self.fits[step],
            self.proposals,
            self.classes,
            weights,
            own=self.own_objects if per_peak > 1 else None,
            per_peak=per_peak,
        )

    def mask(self, instance: Instance) -> np.ndarray:
        """(H, W) bool mask at the photo's own size."""
        return self.evidence.source.mask(instance.proposal, size=self.evidence.size)

    def semantic(self, found: Sequence[Instance]) -> np.ndarray:
        """(H, W) at the photo's own size: 0 background, c + 1 for class c, the best instance on top.

        uint8; uint16 where the model has more than 254 classes, whichever were found: 255 is VOC's void.
        """
        source, size = self.evidence.source, self.evidence.size
        return instances.semantic(found, source, size=size, least=self.least, count=len(self.classes))

    @property
    def least(self) -> float:
        """The score from which an instance is painted into the semantic map."""
        return self.settings.semantic_threshold if self.settings.classes is None else 0.0

    def top(self, peak: int, weights: Weights = PUBLISHED, step: int = -1, count: int = 5) -> np.ndarray:
        """Indices of a peak's best proposals by Eq. 5, best first."""
        return matching.rank(self.terms[step, peak], weights, count)


class Pipeline:
    """A checkpoint on a device, ready to analyse photos.

    Where the device's memory runs out, the networks do less at once, and notes of the result say so; where that does
    not help, `glance`, `observe` and `analyse` raise a `WsisError`.
    """

    def __init__(self, checkpoint: checkpoints.Checkpoint, device: str = "cpu") -> None:
        """Keep the networks; they must already be on `device` and in evaluation mode."""
        self.checkpoint = checkpoint
        self.device = device
        self._chunks = memory.Chunks(device)

    @classmethod
    def load(
        cls, name: str = "voc-lite", *, device: str | None = None, weights: str | None = None, labels: str | None = None
    ) -> Pipeline:
        """Load a checkpoint by name.

        Args:
            name: an embedded checkpoint, a folder, `timm:NAME` or `torchvision:NAME`.
            device: see `wsis.devices.find`; None takes the GPU where there is one.
            weights: safetensors file for `timm:` and `torchvision:`.
            labels: text file with one class name a line, for `timm:` and `torchvision:`.
        """
        device = devices.find(device)
        return cls(checkpoints.load(name, weights=weights, labels=labels, device=device), device)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes the model knows."""
        return tuple(self.checkpoint.classifier.classes)

    @property
    def enhancers(self) -> tuple[str, ...]:
        """The enhancers this checkpoint can run."""
        return tuple(e for e in ENHANCERS if e in ("none", "spread") or e in self.checkpoint.icns)

    @property
    def default_enhancer(self) -> Enhancer:
        """The enhancer where nobody names one: that of `Settings`, or spreading where the checkpoint lacks it."""
        return Settings.enhancer if Settings.enhancer in self.enhancers else "spread"

    def checked(self, settings: Settings) -> Settings:
        """The settings with the model's own names of their classes, see `wsis.class_names.known`.

        Raises:
            WsisError: the model lacks the enhancer or a class.
        """
        if settings.enhancer not in self.enhancers:
            raise WsisError(
                f"The model '{self.name}' has no enhancer '{settings.enhancer}'. "
                f"Choose one of: {', '.join(self.enhancers)}."
            )
        if settings.classes is None:
            return settings
        return replace(settings, classes=class_names.known(settings.classes, self.classes, self.name))

    @memory.explained
    def glance(self, image: np.ndarray) -> Glance:
        """Class maps alone, for those who want to see something early; `observe` goes on from there.

        Args:
            image: (H, W, 3) uint8 RGB, see `wsis.image.read`.

        Raises:
            WsisError: the network puts out NaN or infinity, or memory does not suffice.
        """
        clock, notes = _Clock(None), list[str]()
        work = resized(image, WORK_SIZE)
        with clock("classes", 0.0):
            look = partial(self.checkpoint.classifier.class_maps, work, sizes=SIZES)
            maps = self._chunks.run(look, VIEWS, VIEWS, "views of the photo were classified", notes)
        if not (np.isfinite(maps.maps).all() and np.isfinite(maps.scores).all()):
            raise WsisError(
                f"The model '{self.name}' puts out NaN or infinity for this photo: its weights are damaged or of a "
                "training that diverged. Take an earlier checkpoint."
            )
        return Glance(image, work, maps, clock.seconds, tuple(notes))

    @memory.explained
    def observe(
        self, photo: np.ndarray | Glance, *, proposals: ProposalSet | None = None, progress: Progress | None = None
    ) -> Evidence:
        """Run everything that depends on the photo alone.

        Args:
            photo: (H, W, 3) uint8 RGB, see `wsis.image.read`, or what `glance` made of it.
            proposals: foreign proposals at the photo's own size; None generates them.
            progress: called with a stage's name and the share done, in [0, 1].
        """
        if progress:
            progress("classes", 0.0)
        image = photo.image if isinstance(photo, Glance) else photo
        work = photo.work if isinstance(photo, Glance) else resized(image, WORK_SIZE)
        with ThreadPoolExecutor(1) as beside:  # proposals need no class maps
            glance = beside.submit(lambda: photo if isinstance(photo, Glance) else self.glance(photo))
            part = self._propose(image, work, proposals, _Clock(progress))
            seen = glance.result()
        seconds, notes = {**seen.seconds, **part.pop("seconds")}, seen.notes + part.pop("notes")
        return Evidence(image=image, work=work, class_maps=seen.class_maps, seconds=seconds, notes=notes, **part)

    def _propose(
        self, image: np.ndarray, work: np.ndarray, proposals: ProposalSet | None, clock: _Clock
    ) -> dict[str, Any]:
        """What `Evidence` holds besides class maps."""
        with clock("contours", 0.25):
            net = self.checkpoint.contours
            if net is None:
                edges, features = contours.colour_edges(work), list[np.ndarray]()
            else:
                edges, features = contours.look(net, work)
        with clock("proposals", 0.4):
            if proposals is None:
                source = own = generate.generate(work, edges)
            elif proposals.size != image.shape[:2]:
                raise WsisError(
                    f"The proposals are for a photo of {proposals.size[1]}x{proposals.size[0]} pixels, "
                    f"this one has {image.shape[1]}x{image.shape[0]}."
                )
            else:
                source, own = proposals, proposals.resized(work.shape[:2])
        scorer, score, notes = self.checkpoint.objectness, None, list(source.notes)
        if scorer is not None and features:
            with clock("objectness", 0.55):
                predict = partial(objectness.predict, scorer, features, own, edges)
                score = self._chunks.run(predict, len(own), len(own), "proposals were scored", notes)
        return {
            "contours": edges, "proposals": own, "source": source, "objectness": score, "seconds": clock.seconds,
            "notes": tuple(notes),
        }  # fmt: skip

    @memory.explained
    def analyse(
        self,
        photo: np.ndarray | Evidence,
        settings: Settings | None = None,
        *,
        progress: Progress | None = None,
    ) -> Analysis:
        """Find peaks, grow their maps and measure every proposal against every map.

        Args:
            photo: (H, W, 3) uint8 RGB, or evidence from `observe`.
            settings: how to look; the defaults suit the embedded checkpoint.
            progress: called with a stage's name and the share done, in [0, 1].

        Returns:
            An analysis; its peaks are empty where no class passes the threshold.
        """
        settings = self.checked(settings or Settings())
        evidence = photo if isinstance(photo, Evidence) else self.observe(photo, progress=progress)
        clock, notes = _Clock(progress), list[str]()
        with clock("peaks", 0.6):
            found = self.peaks(evidence.class_maps, settings)
            naive = self._naive(evidence, found, settings, notes)
        with clock("enhance", 0.7):
            maps = self._enhance(evidence, found, naive, settings, notes)
        with clock("match", 0.9):
            flat = maps.reshape(-1, *maps.shape[2:])
            binary, thresholds = matching.cut(flat)
            count, total = len(maps), len(evidence.proposals)
            own_maps = (
                np.tile(class_maps_of(evidence, found), (count, 1, 1)) if settings.reading == "prm-2018" else None
            )
            terms = matching.terms(flat, evidence.proposals, settings.reading, class_maps=own_maps, binary=binary)
            overlaps = matching.overlap(binary, evidence.proposals)
        return Analysis(
            evidence,
            settings,
            found,
            maps,
            binary.reshape(maps.shape),
            thresholds.reshape(maps.shape[:2]),
            terms.reshape(count, len(found), total, 3),
            overlaps.reshape(count, len(found), total),
            {**evidence.seconds, **clock.seconds},
            (*evidence.notes, *notes),
        )

    def peaks(self, class_maps: ClassMaps, settings: Settings) -> Peaks:
        """The peaks of the classes that the settings name, or that pass their threshold."""
        if settings.classes is None:
            chosen = np.flatnonzero(class_maps.scores >= settings.class_threshold)
        else:
            wanted = class_names.known(settings.classes, class_maps.classes, self.name)
            chosen = np.array([class_maps.classes.index(name) for name in wanted], int)
        return peaks.find(
            class_maps.maps,
            class_maps.scores,
            classes=chosen.tolist(),
            sigma=settings.sigma,
            window=settings.window,
            limit=settings.max_peaks,
        )

    def _naive(self, evidence: Evidence, found: Peaks, settings: Settings, notes: list[str]) -> np.ndarray:
        """(K, h, w) float32 in [0, 1]."""
        class_map = normalised(class_maps_of(evidence, found))
        if settings.naive == "class map" or not len(found):
            return class_map
        classifier = self.checkpoint.classifier
        prepared = classifier.prepare(evidence.work, SIZES[0])
        respond = partial(response.respond, classifier, prepared, found, mode=settings.mode)
        own = self._chunks.run(respond, len(found), response.CHUNK, "responses of peaks were computed", notes)
        own = normalised(upsample(own, evidence.work.shape[:2]))
        if settings.naive == "response":
            return own
        same = found.classes[:, None] == found.classes[None]
        of_class = normalised(np.einsum("kj,jhw->khw", same.astype(np.float32), own))
        return normalised(np.sqrt(own) + np.sqrt(of_class) + class_map)

    def _enhance(
        self, evidence: Evidence, found: Peaks, naive: np.ndarray, settings: Settings, notes: list[str]
    ) -> np.ndarray:
        """(T+1, K, h, w) float32 in [0, 1]."""
        if settings.enhancer == "none":
            return naive[None]
        if settings.enhancer == "spread":
            return np.stack([naive, self._spread(evidence, naive, settings)])
        if not len(found):
            return np.repeat(naive[None], settings.steps + 1, axis=0)
        grid = evidence.class_maps.maps.shape[1:]
        place = np.stack([(found.rows + 0.5) / grid[0], (found.columns + 0.5) / grid[1]], 1).astype(np.float32)
        own = normalised(evidence.class_maps.maps[found.classes])
        net = self.checkpoint.icns[settings.enhancer]
        grow = partial(icn.enhance, net, evidence.work, naive, own, place, settings.steps)
        steps = self._chunks.run(grow, len(found), icn.CHUNK, "maps were grown", notes)
        flat = upsample(steps[1:].reshape(-1, *steps.shape[2:]), evidence.work.shape[:2])
        grown = flat.reshape(-1, *naive.shape)
        if settings.agreement:
            share = class_share(class_maps_of(evidence, found), found.classes)
            grown = agreed(grown, self._spread(evidence, naive, settings), share)
        return np.concatenate([naive[None], grown])

    def _spread(self, evidence: Evidence, naive: np.ndarray, settings: Settings) -> np.ndarray:
        """(K, h, w) float32 in [0, 1]."""
        return spread(naive, evidence.proposals.labels, evidence.contours, strength=settings.spread_strength)


def class_maps_of(evidence: Evidence, found: Peaks) -> np.ndarray:
    """(K, h, w) float32 class map of each peak's class at work size, not normalised."""
    return upsample(evidence.class_maps.maps[found.classes], evidence.work.shape[:2])


def normalised(maps: np.ndarray) -> np.ndarray:
    """Min-max normalised maps: (K, H, W) float32 to [0, 1]; a constant map becomes 0."""
    low = maps.min((1, 2), keepdims=True, initial=np.inf)
    span = maps.max((1, 2), keepdims=True, initial=-np.inf) - low
    return np.where(span > 0, (maps - low) / np.where(span > 0, span, 1), 0).astype(np.float32)


def upsample(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear resize of (K, h, w) float32 to (K, *size)."""
    if not len(maps):
        return np.zeros((0, *size), np.float32)
    grown = F.interpolate(torch.from_numpy(np.ascontiguousarray(maps))[:, None], size=size, mode="bilinear")
    return grown[:, 0].numpy()


class _Clock:
    """Times stages and tells the listener which one runs."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.seconds = progress, dict[str, float]()

    @contextmanager
    def __call__(self, stage: str, share: float) -> Iterator[None]:
        if self.progress:
            self.progress(stage, share)
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
