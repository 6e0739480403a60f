"""What a GPU is worth: the same calls on the processor and on the card, with the card's name, in docs/gpu.json."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import torch

from benchmarks import suite, training
from benchmarks.timing import Call, Figures, compared
from wsis import icn
from wsis.response import respond

DATA = Path(__file__).parents[1] / "docs" / "gpu.json"
MISSING = "not yet measured"


def gpu(runs: int, file: Path = DATA) -> Figures:
    """Time each part on the processor and on the first CUDA card, in turn, and keep the figures.

    Without a card nothing is measured. With WSIS_GPU=rehearsal the processor takes the card's place; nothing is kept.

    Args:
        runs: counted runs of each, after one warm-up.
        file: where the figures of a card go.

    Returns:
        `card`, versions, and for each part `gpu_s`, `cpu_s` (medians in seconds) and `times_as_fast`; `peak_mb` is the
        most that torch held on the card.
    """
    rehearsal = os.environ.get("WSIS_GPU") == "rehearsal"
    if not rehearsal and not torch.cuda.is_available():
        return {"card": None, "note": "there is no CUDA card here; WSIS_GPU=rehearsal runs this on the processor"}
    card = "rehearsal on the processor" if rehearsal else torch.cuda.get_device_name(0)
    device, accelerator = ("cpu", "cpu") if rehearsal else ("cuda", "gpu")
    there, here = calls(device), calls("cpu")
    parts = {name: beside(compared(there[name], runs, reference=here[name])) for name in there}
    for name in training.STEPS:
        fast, slow = (sorted(training.step_seconds(name, runs, kind))[runs // 2] for kind in (accelerator, "cpu"))
        parts[f"train {name}"] = {"gpu_s": fast, "cpu_s": slow, "times_as_fast": slow / fast}
    found = {
        "card": card,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cpu_threads": torch.get_num_threads(),
        "peak_mb": 0.0 if rehearsal else torch.cuda.max_memory_reserved() / 2**20,
        "parts": parts,
    }
    if not rehearsal:
        file.write_text(json.dumps(found, indent=1) + "\n")
    return found


def calls(device: str) -> dict[str, Call]:
    """What is timed, by name, with everything that it needs on the device."""
    pipeline, analysis = suite.analysed(device)
    classifier, image = pipeline.checkpoint.classifier, suite.photo()
    prepared = classifier.prepare(analysis.evidence.work, classifier.sizes[0])
    settings = suite.many_peaks(pipeline, naive="response")
    return {
        "class maps": lambda: pipeline.glance(image),
        "PRM, 10 peaks": lambda: respond(classifier, prepared, analysis.peaks),
        "ICN, 10 maps, T = 3": partial(icn.enhance, *suite.growing(pipeline, analysis)),
        "a whole analysis, 10 peaks, with responses": lambda: pipeline.analyse(image, settings),
    }


def beside(figures: Figures) -> Figures:
    """A comparison by the names of this page."""
    return {
        "gpu_s": figures["median_s"],
        "cpu_s": figures["reference_s"],
        "times_as_fast": figures["ratio_to_reference"],
    }


def section(file: Path = DATA) -> str:
    """What docs/performance.md says of GPUs, in Markdown."""
    if not file.exists():
        return f"{MISSING[0].upper()}{MISSING[1:]}: `make gpu-check` on a machine with a CUDA card fills this in."
    found = json.loads(file.read_text())
    rows = [
        f"| {name} | {1e3 * part['gpu_s']:.1f} ms | {1e3 * part['cpu_s']:.1f} ms | {part['times_as_fast']:.1f} |"
        for name, part in found["parts"].items()
    ]
    head = (
        f"{found['card']}, torch {found['torch']}, CUDA {found['cuda']}, beside {found['cpu_threads']} threads of its"
    )
    return "\n".join(
        [
            f"{head} same machine; at most {found['peak_mb']:.0f} MB held on the card.",
            "",
            "| | GPU | CPU | times as fast |",
            "|---|---|---|---|",
            *rows,
        ]
    )
