"""The ICNs of Table 1 that lack a part: one file each, beside no other network.

`python -m train.ablate.variants RUN.ckpt checkpoints/ablations` writes the ICN of a run that was trained with
`--model.fusion false` or `--model.use_map false`. A variant is otherwise built like the model's own `icn-proposal` and
trained with the same data and budget, or the comparison says nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from train import scripts
from train.icn_run import load_icn
from wsis import checkpoints
from wsis.checkpoints import Checkpoint
from wsis.errors import WsisError
from wsis.icn import ICN

ENHANCER = "icn-proposal"
"""What a variant stands in for."""
WITHOUT: dict[str, dict[str, bool]] = {"icn-no-fusion": {"fusion": False}, "icn-no-map": {"use_map": False}}
"""The variants, and what each is built without."""


def present(folder: Path) -> dict[str, Path]:
    """The files of the variants that a folder has."""
    files = {name: folder / f"{name}.safetensors" for name in WITHOUT}
    return {name: file for name, file in files.items() if file.is_file()}


def checkpoint(model: Checkpoint, name: str, file: Path) -> Checkpoint:
    """A checkpoint whose `icn-proposal` is a variant.

    Args:
        model: its networks; its `icn-proposal` says how the variant is built.
        name: of the variant.
        file: its weights.

    Raises:
        WsisError: the model has no `icn-proposal`, or the file is damaged or of a network built otherwise.
    """
    if ENHANCER not in model.icns:
        raise WsisError(f"The model '{model.name}' has no {ENHANCER}, of which {file.name} would be a variant.")
    whole = model.icns[ENHANCER]
    options: dict[str, Any] = {**whole.options, **WITHOUT[name]}
    icn = ICN(**options)
    checkpoints.fill(icn, checkpoints.read_safetensors(file), file)
    icn.to(whole.logit.weight.device).eval().requires_grad_(False)
    return replace(model, icns={ENHANCER: icn})


def model_files(model: str) -> list[Path]:
    """The files that a model's results follow from, found without opening a network; `model` as for `load`."""
    folder = checkpoints.find(model)
    return [folder / "config.json", *sorted(folder.glob("*.safetensors"))]


def export(run: Path, folder: Path) -> Path:
    """Write a run's ICN into a folder of variants, under the name of what it lacks.

    Raises:
        WsisError: the ICN lacks nothing, or more than one part.
    """
    icn = load_icn(run)
    lacks = [name for name, options in WITHOUT.items() if options.items() <= icn.options.items()]
    if len(lacks) != 1:
        raise WsisError(f"{run} lacks {len(lacks)} parts of an ICN; expected one of: {', '.join(WITHOUT)}.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file = checkpoints.save_module(icn, scratch, ENHANCER, icn.options)
        return file.replace(folder / f"{lacks[0]}.safetensors")


@scripts.told
def main(
    run: Annotated[Path, typer.Argument(help="stage 2 run (.ckpt)")],
    folder: Annotated[Path, typer.Argument(help="where the variants lie")],
) -> None:
    """Write the ICN of an ablation run as safetensors."""
    print(export(run, folder))


if __name__ == "__main__":
    scripts.run(main)
