"""The command line: `python -m wsis segment PHOTOS_OR_FOLDERS --out DIR` and `python -m wsis models`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsis.errors import WsisError

if TYPE_CHECKING:
    from wsis.pipeline import Pipeline, Settings

PROPOSAL_SUFFIXES = (".mat", ".json", ".png")

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@cli.command()
def segment(
    photos: Annotated[list[Path], typer.Argument(help="photos, or folders of photos")],
    out: Annotated[Path, typer.Option(help="folder for the results")],
    model: Annotated[str, typer.Option(help="voc-lite, a folder, timm:NAME or torchvision:NAME")] = "voc-lite",
    weights_file: Annotated[
        Path | None, typer.Option("--weights", help="safetensors of a timm or torchvision model")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="class names of a timm or torchvision model, one a line")] = None,
    proposals: Annotated[
        Path | None, typer.Option(help="folder with STEM.mat, .json or .png; built-in otherwise")
    ] = None,
    enhancer: Annotated[str, typer.Option(help="none, spread, icn-proposal or icn-saliency")] = "icn-saliency",
    steps: Annotated[int, typer.Option(help="T: how often an ICN is applied")] = 3,
    per_peak: Annotated[int, typer.Option(min=1, help="how many distinct proposals a peak may keep")] = 1,
    preset: Annotated[str, typer.Option(help="reading of Eq. 5 with its weights, see `models`")] = "paper",
    alpha: Annotated[float | None, typer.Option(help="weight of the first term (precision)")] = None,
    beta: Annotated[float | None, typer.Option(help="weight of the second term (contour)")] = None,
    gamma: Annotated[float | None, typer.Option(help="weight of the third term (recall)")] = None,
    threshold: Annotated[float, typer.Option(help="least probability of a class")] = 0.1,
    naive: Annotated[str, typer.Option(help="the map to start from: class map, response or mixed")] = "class map",
    overlays: Annotated[bool, typer.Option("--overlays", help="also write overlay/STEM.png")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; the GPU where there is one")] = None,
) -> None:
    """Find the instances of all photos: instances.json (COCO results), semantic/, instance/, manifest.json.

    Exit code 0: all good; 1: some photos failed (each is reported with its reason); 2: wrong usage.
    """
    from wsis import matching  # noqa: PLC0415 - torch takes seconds, --help should not
    from wsis.pipeline import Pipeline, Settings  # noqa: PLC0415

    try:
        if preset not in matching.PRESETS:
            raise WsisError(f"Unknown preset '{preset}'. Choose one of: {', '.join(matching.PRESETS)}.")
        chosen = matching.PRESETS[preset]
        default = chosen.weights
        weights = matching.Weights(
            default.alpha if alpha is None else alpha,
            default.beta if beta is None else beta,
            default.gamma if gamma is None else gamma,
        )
        settings = Settings(
            enhancer=enhancer, steps=steps, class_threshold=threshold, reading=chosen.reading, naive=naive
        )  # type: ignore[arg-type]
        files = _photo_files(photos)
        if proposals is not None and not proposals.is_dir():
            raise WsisError(f"The proposals folder {proposals} does not exist.")
        pipeline = Pipeline.load(model, device=device, weights=weights_file, labels=labels)
        if enhancer not in pipeline.enhancers:
            raise WsisError(
                f"The model '{model}' has no enhancer '{enhancer}'. Choose one of: {', '.join(pipeline.enhancers)}."
            )
    except WsisError as error:
        typer.echo(f"wsis: {error}", err=True)
        raise typer.Exit(2) from None
    failed = _segment_all(pipeline, files, out, proposals, settings, weights, per_peak, overlays)
    raise typer.Exit(1 if failed else 0)


@cli.command()
def models() -> None:
    """List embedded checkpoints and the presets of Eq. 5."""
    from wsis import checkpoints, matching  # noqa: PLC0415

    for name in checkpoints.names():
        typer.echo(name)
    typer.echo("timm:NAME and torchvision:NAME, with hub weights or --weights FILE.safetensors --labels FILE")
    for name, preset in matching.PRESETS.items():
        typer.echo(f"preset {name}: {preset.formula}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; Ctrl-C ends it with exit code 130 and no half-written file."""
    try:
        cli(args=None if arguments is None else list(arguments), prog_name="wsis")
    except KeyboardInterrupt:
        typer.echo("wsis: interrupted; nothing is half-written.", err=True)
        sys.exit(130)


def _segment_all(
    pipeline: Pipeline,
    files: Sequence[Path],
    out: Path,
    proposals: Path | None,
    settings: Settings,
    weights: object,
    per_peak: int,
    overlays: bool,
) -> dict[str, str]:
    """Work through the files; returns the failed ones with their reasons."""
    from wsis import export  # noqa: PLC0415

    entries: list[dict] = []
    failed: dict[str, str] = {}
    empty: list[str] = []
    with typer.progressbar(files, label="segment", file=sys.stderr) as bar:
        for file in bar:
            try:
                found = _segment_one(pipeline, file, out, proposals, settings, weights, per_peak, overlays)
            except WsisError as error:
                failed[str(file)] = str(error)
                typer.echo(f"\nwsis: {file}: {error}", err=True)
                continue
            except MemoryError:
                failed[str(file)] = "Not enough memory for this photo. Make it smaller."
                typer.echo(f"\nwsis: {file}: {failed[str(file)]}", err=True)
                continue
            entries += found
            if not found:
                empty.append(str(file))
    about = export.manifest(
        pipeline, settings, weights, per_peak=per_peak, photos=len(files), failed=failed, without_instances=empty
    )
    export.write(out / "instances.json", json.dumps(entries))
    export.write(out / "manifest.json", json.dumps(about, indent=1))
    typer.echo(f"{len(files) - len(failed)} photos, {len(entries)} instances, {len(failed)} failed: {out}", err=True)
    return failed


def _segment_one(
    pipeline: Pipeline,
    file: Path,
    out: Path,
    proposals: Path | None,
    settings: Settings,
    weights: object,
    per_peak: int,
    overlays: bool,
) -> list[dict]:
    from wsis import export, image, render  # noqa: PLC0415
    from wsis.proposals import readers  # noqa: PLC0415

    photo = image.read(file)
    foreign = None
    if proposals is not None:
        candidates = [proposals / f"{file.stem}{suffix}" for suffix in PROPOSAL_SUFFIXES]
        given = next((path for path in candidates if path.exists()), None)
        if given is None:
            raise WsisError(
                f"No proposals for this photo: expected {candidates[0].name}, .json or .png in {proposals}."
            )
        foreign = readers.read(given, photo.shape[:2], image_id=file.stem)
    analysis = pipeline.analyse(pipeline.observe(photo, proposals=foreign), settings)
    found = analysis.instances(weights, per_peak=per_peak)
    export.write(out / "semantic" / f"{file.stem}.png", export.indexed_png(analysis.semantic(found)))
    export.write(out / "instance" / f"{file.stem}.png", export.indexed_png(export.instance_map(analysis, found)))
    if overlays:
        export.write(out / "overlay" / f"{file.stem}.png", export.png(render.instances(analysis, found)))
    return export.coco_results(analysis, found, file.name)


def _photo_files(sources: Sequence[Path]) -> list[Path]:
    """Files as given, folders searched (not below) for photos; two of one stem would overwrite each other."""
    from wsis.image import SUFFIXES  # noqa: PLC0415

    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
        elif source.exists():
            files.append(source)
        else:
            raise WsisError(f"{source} does not exist.")
    if not files:
        raise WsisError(f"No photos found. A folder is searched for {', '.join(SUFFIXES)}.")
    stems: dict[str, Path] = {}
    for file in files:
        other = stems.setdefault(file.stem, file)
        if other != file:
            raise WsisError(f"{other} and {file} would both be written as {file.stem}. Rename one.")
    return files
