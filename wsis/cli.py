"""The command line: `python -m wsis segment PHOTOS_OR_FOLDER... --out DIR` and `python -m wsis models`.

What takes seconds to import is imported inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from wsis.errors import WsisError

Enhancer = Literal["none", "spread", "icn-proposal", "icn-saliency"]
Naive = Literal["class map", "response", "mixed"]
Mode = Literal["excitation", "gradient"]
Preset = Literal["paper", "no-rebalance", "penalty", "literal", "prm-2018", "iou"]

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C stopped."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text: no boxes that break words
    help="Masks of every instance, from a classifier that only knows what is in a photo.",
)


@app.command()
def models() -> None:
    """List the embedded models, how to name others, and the presets of Eq. 5."""
    from wsis import checkpoints, matching  # noqa: PLC0415

    for name in checkpoints.names():
        try:
            checkpoint = checkpoints.load(name)
        except WsisError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        networks = ", ".join(checkpoint.card["modules"])
        print(f"{name}  ({len(checkpoint.classifier.classes)} classes; {networks})")
        print(f"    {checkpoint.folder}")
    print("FOLDER  a checkpoint folder made by training")
    print("timm:NAME, torchvision:NAME  a classifier with its ImageNet weights, or with --weights and --labels")
    for name, preset in matching.PRESETS.items():
        print(f"--preset {name}: {preset.formula}")


@app.command()
def segment(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS_OR_FOLDER...", help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where results go; made if missing.", file_okay=False)],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="An embedded model, a folder, timm:NAME or torchvision:NAME.")
    ] = "voc-lite",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights for timm: and torchvision:, .safetensors.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names for timm: and torchvision:, one a line.")
    ] = None,
    proposals: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Take proposals from DIR/STEM.mat, .json or .png.", exists=True, file_okay=False
        ),
    ] = None,
    enhancer: Annotated[
        Enhancer | None,
        typer.Option(help="What grows the maps; default: icn-saliency where the model has it, else spread."),
    ] = None,
    steps: Annotated[int, typer.Option(metavar="T", min=0, max=8, help="How often an ICN is applied.")] = 3,
    naive: Annotated[Naive, typer.Option(help="Map of a peak to start from.")] = "class map",
    mode: Annotated[Mode, typer.Option(help="How responses are back-propagated.")] = "excitation",
    preset: Annotated[Preset, typer.Option(help="Reading of Eq. 5, and its weights.")] = "paper",
    alpha: Annotated[float | None, typer.Option(min=0, help="Weight of the first term; default: the preset's.")] = None,
    beta: Annotated[float | None, typer.Option(min=0, help="Weight of the contour term.")] = None,
    gamma: Annotated[float | None, typer.Option(min=0, help="Weight of the third term.")] = None,
    per_peak: Annotated[
        int, typer.Option(min=1, help="Proposals a peak may offer: its best, then objects that no instance covers.")
    ] = 1,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Least probability of a class to look for.")] = 0.1,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Look for this class whatever its probability; repeatable."),
    ] = None,
    overlays: Annotated[bool, typer.Option("--overlays", help="Also write overlay/ and figure/ pictures.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: the GPU where there is one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Photos at a time; default: as many as there are cores, at most 8.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what went wrong.")] = False,
) -> None:
    """Find the instances in photos and write their masks.

    Writes instances.json (COCO results), semantic/STEM.png and instance/STEM.png (VOC palette) and manifest.json. A
    photo that cannot be used is reported and the rest goes on. Exit code 0: all good; 1: some failed; 2: wrong usage.
    """
    try:
        with _terminable():
            from wsis import segment as work  # noqa: PLC0415

            batch = work.collect(photos)
            chosen = work.PRESETS[preset]
            given = (("alpha", alpha), ("beta", beta), ("gamma", gamma))
            own = replace(chosen.weights, **{name: value for name, value in given if value is not None})
            pipeline = work.Pipeline.load(model, device=device, weights=_text(weights), labels=_text(labels))
            settings = work.Settings(
                enhancer=work.enhancer(enhancer, pipeline),  # type: ignore[arg-type]
                steps=steps,
                naive=naive,
                mode=mode,
                class_threshold=threshold,
                classes=work.known(classes, pipeline) if classes else None,
                reading=chosen.reading,
            )
            if enhancer is None and settings.enhancer != work.Settings().enhancer and not quiet:
                print(f"{model} has no {work.Settings().enhancer}; maps grow by '{settings.enhancer}'.")
            out.mkdir(parents=True, exist_ok=True)
            job = work.Job(pipeline, settings, own, per_peak, out, proposals, overlays)
            failed = work.run(job, batch, quiet, workers)
    except (WsisError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        print(f"Stopped: {out / 'instances.json'} was not written; the PNGs that are there are whole.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(1 if failed else 0)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


@contextmanager
def _terminable() -> Iterator[None]:
    """Being told to end (SIGTERM) stops like Ctrl-C, so that temporary files vanish."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
