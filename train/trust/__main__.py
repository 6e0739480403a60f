"""`python -m train.trust measure --voc KIT`, then `python -m train.trust fit --voc KIT`: how often masks are right.

`measure` looks at every photo of a split once and keeps each of its masks with what it overlaps; an interrupted run
goes on. `fit` counts on the even half (measuring what is missing), chooses there how fine the ranges are and how far
weights may move, checks on the odd half alone, and writes `trust.json` beside the model's networks and the diagram.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from train import data, masked_sets, scripts
from train.trust import figure, fitting, records
from wsis import checkpoints, cli, files, trust
from wsis.analysis import Settings
from wsis.errors import WsisError
from wsis.pipeline import Pipeline

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
Kit = Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")]
Split = Annotated[str, typer.Option(help="split with masks")]
Model = Annotated[str, typer.Option(help="checkpoint")]
Limit = Annotated[int | None, typer.Option(help="only the first N photos")]
Cache = Annotated[Path, typer.Option(help="where measured photos are kept")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")]
Device = Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...")]


@app.command()
@scripts.told
def measure(
    voc_kit: Kit,
    split: Split = "val",
    model: Model = "voc-lite",
    limit: Limit = None,
    cache: Cache = Path("runs/trust"),
    processes: Workers = 2,
    device: Device = "cpu",
) -> None:
    """Look at every photo of a split and keep its masks with what they overlap."""
    pairs = masked_sets.find(voc_kit, None, None, split, "all", limit).pairs
    pipeline = Pipeline.load(model, device=device)
    found = records.measured(pairs, pipeline, usual(pipeline), cli.FILL, cache, processes)
    print(f"{len(found)} photos, {sum(int((one.triples == 0).sum()) for one in found)} masks at the published weights")


@app.command()
@scripts.told
def fit(
    voc_kit: Kit,
    split: Split = "val",
    model: Model = "voc-lite",
    limit: Limit = None,
    cache: Cache = Path("runs/trust"),
    processes: Workers = 2,
    device: Device = "cpu",
    out: Annotated[Path | None, typer.Option(help="where trust.json goes; the model's folder by default")] = None,
    diagram: Annotated[Path | None, typer.Option(help="write the reliability diagram here, a PNG")] = None,
) -> None:
    """Count on the even half, check on the odd one, write trust.json and print what it is worth."""
    folder, pipeline = checkpoints.find(model), Pipeline.load(model, device=device)
    settings = usual(pipeline)
    halves: dict[data.Half, records.Masks] = {}
    photos: dict[data.Half, int] = {}
    for half in ("even", "odd"):
        pairs = masked_sets.find(voc_kit, None, None, split, half, limit).pairs
        if not pairs:
            raise WsisError(
                f"The {half} half of '{split}' has no photo: one half is counted, the other checks. Add more."
            )
        measured = records.measured(pairs, pipeline, settings, cli.FILL, cache, processes)
        halves[half], photos[half] = records.joined(measured), len(pairs)
    counted = fitting.count(halves["even"])
    checks = fitting.check(counted, halves["odd"], photos["odd"])
    made = trust.Trust(
        networks=trust.networks(checkpoints.config(folder)),
        settings=asdict(settings),
        weights=records.weights_tried()[0],
        reach=counted.reach,
        source=f"{voc_kit.name} {split}, even half",
        photos=photos["even"],
        curves=counted.curves,
        checked={"source": f"{voc_kit.name} {split}, odd half", "photos": photos["odd"], **checks},
    )
    files.write((out or folder) / "trust.json", json.dumps(made.to_json(), indent=1) + "\n")
    if diagram:
        files.write(diagram, figure.reliability(counted.curves, halves["odd"]))
    print(fitting.markdown(counted, made.checked))


def usual(pipeline: Pipeline) -> Settings:
    """The settings that a model is used with where nobody names others."""
    return Settings(enhancer=pipeline.default_enhancer)


if __name__ == "__main__":
    app()
