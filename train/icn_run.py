"""The ICN of a stage 2 run, for who needs the network without its training."""

from __future__ import annotations

from pathlib import Path

from train.checkpoint import read_run, weights_of
from wsis.icn import ICN


def load_icn(run: Path) -> ICN:
    """The ICN of a stage 2 run's `.ckpt`, in evaluation mode."""
    content = read_run(run)
    keep = ("backbone", "join", "fusion", "use_map", "hints", "width", "size")
    icn = ICN(**{key: content["hyper_parameters"][key] for key in keep if key in content["hyper_parameters"]})
    icn.load_state_dict(weights_of(content, "icn."))
    return icn.eval()
