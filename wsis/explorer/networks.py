"""The pipeline as the explorer runs it: on the accelerator it is lent, each stage's seconds counted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from wsis import class_names, devices
from wsis.analysis import Analysis, Evidence, Glance, Settings
from wsis.edits import Edit
from wsis.errors import WsisError
from wsis.explorer.origin import Mark, Origin
from wsis.explorer.server.accelerator import lane
from wsis.explorer.server.watch import watched
from wsis.pipeline import Pipeline
from wsis.replay import replay

BUILT_IN = "built-in"
"""What `wsis.proposals` calls its own."""


class Networks:
    """What needs the networks' turn.

    Attributes:
        pipeline: a loaded checkpoint.
        origin: what is said of it where the networks are not needed.
        glance: its first look at a photo, see `Pipeline.glance`.
        observe: what it sees before any setting is chosen, see `Pipeline.observe`.
        analyse: from evidence to instances, see `Pipeline.analyse`.
        replay: an analysis after edits, see `wsis.replay.replay`.
    """

    def __init__(self, pipeline: Pipeline, model: str | None = None, mark: Mark = ()) -> None:
        """Run this pipeline.

        Args:
            pipeline: a loaded checkpoint.
            model: what it is called on this server, by default as it was loaded.
            mark: of its folder.
        """
        self.pipeline = pipeline
        self.glance, self.observe, self.analyse = (
            watched(lane(work)) for work in (pipeline.glance, pipeline.observe, pipeline.analyse)
        )
        self.replay = watched(lane(partial(_replayed, pipeline=pipeline)))
        checkpoint = pipeline.checkpoint
        self.origin = Origin(
            model=model or pipeline.name,
            name=pipeline.name,
            classes=pipeline.classes,
            enhancers=pipeline.enhancers,
            enhancer=pipeline.default_enhancer,
            synonyms=pipeline.synonyms,
            card=checkpoint.card,
            folder=checkpoint.folder,
            mark=mark,
        )

    @property
    def device(self) -> str:
        """What the networks run on, for people."""
        if self.pipeline.device.startswith("cuda"):
            return torch.cuda.get_device_name(self.pipeline.device)
        return f"CPU · {devices.AT_ONCE * torch.get_num_threads()} threads"

    def whole(self, image: np.ndarray, settings: Settings) -> Analysis:
        """A photo's analysis at once.

        Args:
            image: (H, W, 3) uint8 RGB.
            settings: how it is looked at.

        Raises:
            WsisError: the model has no such enhancer or class.
        """
        settings = self.pipeline.checked(settings)  # told before they run
        return self.analyse(self.observe(image), settings)

    def fitting(self, settings: Settings, before: Origin | None = None) -> Settings:
        """The settings as this model can take them.

        Args:
            settings: made for any model.
            before: whose; where the enhancer was the one that it starts with, this model's takes its place, and of the
                classes that were named those stay that this model knows, under this or another name.
        """
        enhancer, classes = settings.enhancer, settings.classes
        if enhancer not in self.origin.enhancers or (before is not None and enhancer == before.enhancer):
            enhancer = self.origin.enhancer
        if before is not None and classes is not None and self.origin.key != before.key:
            classes = tuple(dict.fromkeys(own for name in classes for own in self._own(name, before))) or None
        return replace(settings, enhancer=enhancer, classes=classes)

    def _own(self, name: str, before: Origin) -> tuple[str, ...]:
        """What the model calls another one's class; nothing where it knows no such class."""
        for word in (name, *before.synonyms.get(name, ())):
            with suppress(WsisError):
                return class_names.known([word], self.origin.classes, self.origin.model, self.origin.synonyms)
        return ()

    def seen(self, evidence: Evidence, before: Origin) -> Evidence:
        """A photo that was seen before, as this model sees it; what both see alike is not looked at again.

        Args:
            evidence: of the photo.
            before: what saw it.
        """
        if self.origin.key == before.key:
            return evidence
        if self.origin.shares_outlines(before):
            return self.beside(evidence)
        foreign = None if evidence.source.source == BUILT_IN else evidence.source
        return self.observe(evidence.image, proposals=foreign) if foreign else self.observe(evidence.image)

    def beside(self, evidence: Evidence) -> Evidence:
        """The same photo with this model's class maps, and the proposals of the evidence."""
        glance: Glance = self.glance(evidence.image)
        rest = tuple(note for note in evidence.notes if note not in evidence.glance.notes)
        seconds = {**evidence.seconds, **glance.seconds}
        return replace(evidence, glance=glance, seconds=seconds, notes=(*glance.notes, *rest))


def _replayed(analysis: Analysis, edits: Sequence[Edit], *, pipeline: Pipeline) -> Analysis:
    return replay(pipeline, analysis, edits)
