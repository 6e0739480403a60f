"""In which precision a run computes, where its configuration asks for more than the processor can do."""

from __future__ import annotations

import sys

import torch

from wsis import devices


def usable(asked: str | int | None, accelerator: str) -> str | int | None:
    """The precision for a trainer; a sentence on stderr where it is another one.

    Processors without instructions for bfloat16 imitate them, which takes several times as long as 32 bits.

    Args:
        asked: Lightning's name of one.
        accelerator: Lightning's name of one; `auto` is a processor where nothing else is found.

    Returns:
        `32-true` in place of `bf16-mixed` on such a processor, else what was asked for.
    """
    processor = accelerator == "cpu" or (accelerator == "auto" and devices.find() == "cpu")
    if asked != "bf16-mixed" or not processor or _computes_bfloat16():
        return asked
    print("This processor does not compute bfloat16 itself: training in 32 bits is faster here.", file=sys.stderr)
    return "32-true"


def _computes_bfloat16() -> bool:
    return any(there for name, there in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
