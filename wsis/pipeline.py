"""Algorithm 1: a photo to instances. Slow once, instant after.

`Pipeline.observe` looks at a photo (class maps, contours, proposals), `Pipeline.analyse` finds peaks, grows a map for
each and measures every proposal against it, and `Analysis.instances` picks, for any weights, in well under a
millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import numpy as np

from wsis import checkpoints, class_names, devices, enhancers, icn, matching, memory, peaks, response
from wsis.analysis import (
    ENHANCERS,
    REGIONS,
    WORK_SIZE,
    Analysis,
    Evidence,
    Glance,
    ObjectMaps,
    Settings,
    peak_class_maps,
)
from wsis.choices import Enhancer
from wsis.classifier import VIEWS
from wsis.enhancers import Seeds
from wsis.errors import WsisError
from wsis.image import resized
from wsis.maps import ClassMaps, normalised, upsample
from wsis.peaks import Peaks
from wsis.proposals import ProposalSet, contours, generate, objectness

Listener = Callable[[str, float], None]
"""Told which stage begins, and the share done, in [0, 1]."""


class Pipeline:
    """A checkpoint on a device, ready to analyse photos.

    Where the device's memory runs out, the networks do less at once, and notes of the result say so; where that does
    not help, `glance`, `observe` and `analyse` raise a `WsisError`. On processors an analysis does two things at a
    time: a program that does nothing else is faster for `wsis.devices.use_cores(os.cpu_count())`.

    Examples:
        >>> from wsis import Pipeline, read
        >>> analysis = Pipeline.load(device="cpu").analyse(read("assets/examples/2-cat.jpg"))
        >>> [instance.name for instance in analysis.instances() if instance.painted]
        ['cat']
        >>> analysis.mask(analysis.instances()[0]).shape
        (420, 631)
    """

    def __init__(self, checkpoint: checkpoints.Checkpoint, device: str = "cpu") -> None:
        """Keep the networks; they must already be on `device` and in evaluation mode."""
        self.checkpoint = checkpoint
        self.device = device
        self._chunks = memory.Chunks(device)
        self._encoded = icn.LastPhoto()

    @classmethod
    def load(
        cls,
        name: str = "voc-lite",
        *,
        device: str | None = None,
        weights: str | None = None,
        labels: str | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Pipeline:
        """Load a checkpoint by name.

        Args:
            name: an embedded checkpoint, a folder, `timm:NAME` or `torchvision:NAME`.
            device: see `wsis.devices.find`; None takes the GPU where there is one.
            weights: safetensors file for `timm:` and `torchvision:`.
            labels: text file with one class name a line, for `timm:` and `torchvision:`.
            progress: called with the share of the networks that are there, in [0, 1].
        """
        device = devices.find(device)
        found = checkpoints.load(name, weights=weights, labels=labels, device=device, progress=progress)
        return cls(found, device)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes the model knows."""
        return tuple(self.checkpoint.classifier.classes)

    @property
    def synonyms(self) -> class_names.Synonyms:
        """Other words for its classes, by which they are found too."""
        return self.checkpoint.classifier.synonyms

    @property
    def enhancers(self) -> tuple[str, ...]:
        """The enhancers this checkpoint can run."""
        return tuple(e for e in ENHANCERS if {e, REGIONS.get(e, e)} <= {"none", "spread", *self.checkpoint.icns})

    @property
    def default_enhancer(self) -> Enhancer:
        """The enhancer where nobody names one: that of `Settings`, or the next best that the checkpoint has."""
        better: tuple[Enhancer, ...] = (Settings.enhancer, "icn-saliency")
        return next((enhancer for enhancer in better if enhancer in self.enhancers), "spread")

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
        return replace(settings, classes=class_names.known(settings.classes, self.classes, self.name, self.synonyms))

    @memory.explained
    def glance(self, image: np.ndarray) -> Glance:
        """Class maps alone, for those who want to see something early; `observe` goes on from there.

        Args:
            image: (H, W, 3) uint8 RGB, see `wsis.image.read`.

        Raises:
            WsisError: the network puts out NaN or infinity, or memory does not suffice.
        """
        clock, work = _Clock(), resized(image, WORK_SIZE)
        with clock("classes", 0.0):
            look = partial(self.checkpoint.folded.class_maps, work)
            maps = self._chunks.run(look, VIEWS, VIEWS, "views of the photo were classified", clock.note)
        if not (np.isfinite(maps.maps).all() and np.isfinite(maps.scores).all()):
            raise WsisError(
                f"The model '{self.name}' puts out NaN or infinity for this photo: its weights are damaged or of a "
                "training that diverged. Take an earlier checkpoint."
            )
        return Glance(image, work, maps, clock.seconds, tuple(clock.notes))

    @memory.explained
    def observe(
        self, photo: np.ndarray | Glance, *, proposals: ProposalSet | None = None, progress: Listener | None = None
    ) -> Evidence:
        """Run everything that depends on the photo alone.

        Args:
            photo: (H, W, 3) uint8 RGB, see `wsis.image.read`, or what `glance` made of it.
            proposals: foreign proposals at the photo's own size; None generates them.
            progress: called with a stage's name and the share done, in [0, 1].
        """
        if progress:
            progress("classes", 0.0)
        if isinstance(photo, Glance):
            glance = photo
            return self._observed(glance.image, glance.work, lambda: glance, proposals, progress)
        with ThreadPoolExecutor(1) as beside:  # proposals need no class maps
            glancing = beside.submit(self.glance, photo)
            return self._observed(photo, resized(photo, WORK_SIZE), glancing.result, proposals, progress)

    def _observed(
        self,
        image: np.ndarray,
        work: np.ndarray,
        glanced: Callable[[], Glance],
        foreign: ProposalSet | None,
        progress: Listener | None,
    ) -> Evidence:
        """Contours, proposals and their objectness, beside the glance."""
        clock = _Clock(progress)
        with clock("contours", 0.25):
            net = self.checkpoint.contours
            if net is None:
                edges, features = contours.colour_edges(work), list[np.ndarray]()
            else:
                edges, features = contours.look(net, work)
        with clock("proposals", 0.4):
            if foreign is None:
                source = at_work_size = generate.generate(work, edges)
            elif foreign.size != image.shape[:2]:
                raise WsisError(
                    f"The proposals are for a photo of {foreign.size[1]}x{foreign.size[0]} pixels, "
                    f"this one has {image.shape[1]}x{image.shape[0]}."
                )
            else:
                source, at_work_size = foreign, foreign.resized(work.shape[:2])
        clock.notes.extend(source.notes)
        scorer, scores = self.checkpoint.objectness, None
        if scorer is not None and features:
            with clock("objectness", 0.55):
                count = len(at_work_size)
                predict = partial(objectness.predict, scorer, features, at_work_size, edges)
                scores = self._chunks.run(predict, count, count, "proposals were scored", clock.note)
        glance = glanced()
        seconds, notes = {**glance.seconds, **clock.seconds}, (*glance.notes, *clock.notes)
        return Evidence(glance, edges, at_work_size, source, seconds, scores, notes)

    @memory.explained
    def analyse(
        self,
        photo: np.ndarray | Evidence,
        settings: Settings | None = None,
        *,
        progress: Listener | None = None,
    ) -> Analysis:
        """Find peaks, grow their maps and measure every proposal against every map.

        Args:
            photo: (H, W, 3) uint8 RGB, or evidence from `observe`.
            settings: how to look; None takes the defaults, with the best enhancer that the checkpoint has.
            progress: called with a stage's name and the share done, in [0, 1].

        Returns:
            An analysis; its peaks are empty where no class passes the threshold.
        """
        settings = self.checked(settings or Settings(enhancer=self.default_enhancer))
        evidence = photo if isinstance(photo, Evidence) else self.observe(photo, progress=progress)
        clock = _Clock(progress)
        return self._followed(evidence, settings, lambda: self.peaks(evidence.class_maps, settings), None, clock)

    @memory.explained
    def follow(self, evidence: Evidence, settings: Settings, peaks: Peaks, rows: np.ndarray) -> Analysis:
        """What `analyse` does of some peaks, in the company of others, whose maps are not made.

        Args:
            evidence: from `observe`.
            settings: how to look.
            peaks: K peaks, wherever they lie.
            rows: indices of those whose maps are asked for.

        Returns:
            An analysis of these peaks alone.
        """
        return self._followed(evidence, self.checked(settings), lambda: peaks, rows, _Clock())

    def _followed(
        self,
        evidence: Evidence,
        settings: Settings,
        found: Callable[[], Peaks],
        rows: np.ndarray | None,
        clock: _Clock,
    ) -> Analysis:
        """Maps of peaks, and how well every proposal fits them."""
        with clock("peaks", 0.6):
            peaks = found()
        respond: Callable[[], np.ndarray | None] = cache(
            partial(self._responses, evidence, peaks, settings, rows, clock)
        )
        with ThreadPoolExecutor(1) as beside:
            if self.device == "cpu":  # a card is busy enough, and may have no room for two things at once
                respond = beside.submit(respond).result
            # Regions need no responses, unless settings or network say so.
            seeds = Seeds(evidence, settings, peaks, peak_class_maps(evidence, peaks), respond, rows)
            naive, grow = enhancers.naive_maps(seeds), partial(self._grow, seeds, clock)
            with clock("enhance", 0.7):
                maps = enhancers.region_maps(seeds, naive, grow)
            responses = seeds.responses  # waited for between the stages, so that no second counts twice
            with clock("enhance"):
                object_maps = enhancers.object_maps(seeds, grow)
        with clock("match", 0.9):
            regions = _matched(maps.reshape(-1, *maps.shape[2:]), seeds)
            objects = None if object_maps is None else _matched(object_maps, seeds)
        by_step = maps.shape[:2]
        return Analysis(
            evidence=evidence,
            settings=settings,
            peaks=peaks if rows is None else peaks[rows],
            maps=maps,
            binary=regions.binary.reshape(maps.shape),
            thresholds=regions.thresholds.reshape(by_step),
            terms=regions.terms.reshape(*by_step, *regions.terms.shape[1:]),
            overlaps=regions.overlaps.reshape(*by_step, *regions.overlaps.shape[1:]),
            objects=objects,
            responses=responses if rows is None or responses is None else responses[rows],
            seconds={**evidence.seconds, **clock.seconds},
            notes=(*evidence.notes, *clock.notes),
        )

    def peaks(self, class_maps: ClassMaps, settings: Settings) -> Peaks:
        """The peaks (Eq. 1) of the classes that the settings name, or that pass their threshold."""
        if settings.classes is None:
            chosen = np.flatnonzero(class_maps.scores >= settings.class_threshold)
        else:
            wanted = class_names.known(settings.classes, class_maps.classes, self.name, self.synonyms)
            chosen = np.array([class_maps.classes.index(name) for name in wanted], int)
        return peaks.find(
            class_maps.maps,
            class_maps.scores,
            classes=chosen.tolist(),
            sigma=settings.sigma,
            window=settings.window,
            limit=settings.max_peaks,
        )

    def _responses(
        self, evidence: Evidence, peaks: Peaks, settings: Settings, rows: np.ndarray | None, clock: _Clock
    ) -> np.ndarray | None:
        """(K, h', w') float32 response of each peak (Eq. 2); None where the network has none and nothing needs them.

        Of some rows the others stay 0, unless the naive map needs those of a whole class.
        """
        classifier = self.checkpoint.folded
        prepared = classifier.prepare(evidence.work, classifier.sizes[0])
        alone = rows is not None and settings.naive in ("class map", "response")
        asked = peaks[rows] if rows is not None and alone else peaks
        respond = partial(response.respond, classifier, prepared, asked, mode=settings.mode)
        try:
            with clock("responses"):
                found = self._chunks.run(
                    respond, len(asked), response.CHUNK, "responses of peaks were computed", clock.note
                )
        except (WsisError, RuntimeError) as error:
            # Activations that cannot be passed back, or too little memory: only a picture is missing.
            net = self.checkpoint.icns.get(settings.enhancer)
            told = net is not None and ("response" in net.hints or settings.enhancer in REGIONS) and settings.steps > 0
            if settings.naive != "class map" or told or not (isinstance(error, WsisError) or memory.is_short(error)):
                raise
            return None
        if not alone:
            return found
        responses = np.zeros((len(peaks), *found.shape[1:]), np.float32)
        responses[rows] = found
        return responses

    def _grow(self, seeds: Seeds, clock: _Clock, name: str, start: np.ndarray, steps: int) -> np.ndarray:
        """(T, K, h, w) float32 in [0, 1]: an ICN's maps of steps 1 to T, of at least one peak (Algorithm 1, line 8)."""
        peaks, evidence, network = seeds.peaks, seeds.evidence, self.checkpoint.icns[name]
        grow = partial(
            icn.enhance,
            network,
            evidence.work,
            start,
            normalised(evidence.class_maps.maps[peaks.classes]),
            peaks.places.astype(np.float32),
            steps,
            classes=peaks.classes,
            responses=seeds.responses if "response" in network.hints else None,
            rows=seeds.rows,
            encode=partial(self._encoded.encode, network, evidence.glance),
        )
        count = len(seeds.chosen(peaks.classes))
        grown = self._chunks.run(grow, count, icn.CHUNK, "maps were grown", clock.note)[1:]
        size = start.shape[1:]
        return upsample(grown.reshape(-1, *grown.shape[2:]), size).reshape(steps, count, *size)


def _matched(maps: np.ndarray, seeds: Seeds) -> ObjectMaps:
    """Maps of all peaks, (K, h, w) of one step or (T' K, h, w) of several, against every proposal (Eq. 5)."""
    proposals, reading, class_maps = seeds.evidence.proposals, seeds.settings.reading, None
    if reading == "prm-2018":
        own = seeds.chosen(seeds.class_maps)
        class_maps = np.tile(own, (len(maps) // max(len(own), 1), 1, 1))
    binary, thresholds = matching.thresholded(maps)
    terms = matching.terms(maps, proposals, reading, class_maps=class_maps, binary=binary)
    return ObjectMaps(maps, binary, thresholds, terms, matching.iou(binary, proposals))


class _Clock:
    """Times stages, tells the listener which one runs, and keeps what people should know of them.

    A stage that goes on, or runs beside another one in a thread of its own, has no share: listeners hear of each once,
    and from one thread only.
    """

    def __init__(self, progress: Listener | None = None) -> None:
        self.progress, self.seconds, self.notes = progress, dict[str, float](), list[str]()
        self.note = self.notes.append

    @contextmanager
    def __call__(self, stage: str, share: float | None = None) -> Iterator[None]:
        if self.progress and share is not None:
            self.progress(stage, share)
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
