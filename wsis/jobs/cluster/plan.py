"""What a job does with each photo, and who works."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from wsis import devices
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.jobs.photo import Job
from wsis.matching import Weights
from wsis.pipeline import Pipeline

MOST_ACTORS = 8
"""Actors of a local instance where nobody says how many: each holds the networks and a photo."""


@dataclass(frozen=True)
class Plan:
    """What a job does with each photo; JSON values only, so that it can be kept and sent.

    Attributes:
        model: as `Pipeline.load` takes it, with its `weights` and `labels`.
        weights: see `model`.
        labels: see `model`.
        settings: of the analysis, see `wsis.analysis.Settings`.
        matching: weights of Eq. 5.
        fill: up to how many masks a photo gets offers.
        proposals: local folder with NAME.mat, .json or .png, or COCO file; None generates proposals.
        overlays: whether pictures are written too.
        device: `cpu`, `cuda`, ...; None takes the GPU where there is one.
        unsure: whether lists hold what is unsure too.
    """

    model: str
    weights: str | None
    labels: str | None
    settings: dict[str, Any]
    matching: dict[str, float]
    fill: int
    proposals: str | None
    overlays: bool
    device: str | None
    unsure: bool = False

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        settings: Settings,
        matching: Weights,
        *,
        fill: int = 0,
        overlays: bool = False,
        unsure: bool = False,
        weights: Path | None = None,
        labels: Path | None = None,
        proposals: Path | None = None,
        device: str | None = None,
    ) -> Plan:
        """A plan whose paths every process on this machine understands; see the attributes."""
        folder = Path(pipeline.name)
        model = str(folder.absolute()) if pipeline.checkpoint.folder == folder else pipeline.name
        if devices.named(device) is None:
            device = None
        elif (device := pipeline.device).startswith("cuda:"):
            if torch.cuda.device_count() > 1:
                raise WsisError(
                    f"batch gives each actor a GPU of its own, so it cannot take {device}. Say --device cuda; the "
                    "variable CUDA_VISIBLE_DEVICES chooses among several GPUs."
                )
            device = "cuda"
        weights_file, labels_file, maps = (str(p.absolute()) if p else None for p in (weights, labels, proposals))
        return cls(
            model, weights_file, labels_file, asdict(settings), asdict(matching), fill, maps, overlays, device, unsure
        )

    def job(self) -> Job:
        """The networks loaded, and what is the same for every photo."""
        pipeline = Pipeline.load(self.model, device=self.device, weights=self.weights, labels=self.labels)
        chosen = self.settings["classes"]
        settings = Settings(**{**self.settings, "classes": None if chosen is None else tuple(chosen)})
        proposals = None if self.proposals is None else Path(self.proposals)
        return Job(
            pipeline=pipeline,
            settings=settings,
            weights=Weights(**self.matching),
            fill=self.fill,
            out=Path(),
            proposals=proposals,
            overlays=self.overlays,
            unsure=self.unsure,
        )


@dataclass(frozen=True)
class Crew:
    """Who works: actors, with their cores and GPUs.

    Attributes:
        actors: how many processes hold the networks; None takes one a GPU, or one a core, at most `MOST_ACTORS`.
        cpus: cores of an actor.
        gpus: GPUs of an actor; a fraction shares one. None takes one where the machine has any and the plan names no
            other device.
        address: of a cluster, `auto` for the one this machine belongs to; None starts Ray here.
        shard: photos that an actor takes at a time.
        retries: how often a photo is tried again that a disk or network failed or that took its actor down.
        again: photos that an earlier start set aside are looked at again.
    """

    actors: int | None = None
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None
    shard: int = 32
    retries: int = 2
    again: bool = False
