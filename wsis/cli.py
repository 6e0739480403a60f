"""The command line: `python -m wsis segment PHOTOS_OR_FOLDER... --out DIR`, `batch` for very many, `teach`, `models`.

What takes seconds to import is imported inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from wsis import imports, names, stopping, streams
from wsis.choices import Enhancer, Mode, Naive, PresetName
from wsis.errors import WsisError

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C stopped."""
FILL = 20
"""With so many, a photo of `val` has fewer than eight masks on average, and those added find objects in company."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text: no boxes that break words
    help="Masks of every instance, from a classifier that only knows what is in a photo.",
)

Model = Annotated[str, typer.Option(metavar="NAME", help="An embedded model, a folder, timm:NAME or torchvision:NAME.")]
WeightsFile = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Weights for timm: and torchvision:, .safetensors.")
]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels", metavar="FILE", help="Class names for timm: and torchvision:, one a line.")
]
Proposals = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Take proposals from DIR/STEM.mat, .json or .png, or from one COCO file.", exists=True
    ),
]
WantedEnhancer = Annotated[
    Enhancer | None,
    typer.Option(
        "--enhancer",
        help="What grows the maps; default: icn-instances where the model has it, else icn-saliency, else spread.",
    ),
]
Steps = Annotated[int, typer.Option(metavar="T", min=0, max=8, help="How often an ICN is applied.")]
NaiveMap = Annotated[Naive, typer.Option("--naive", help="Map of a peak to start from.")]
ResponseMode = Annotated[Mode, typer.Option("--mode", help="How responses are back-propagated.")]
WantedPreset = Annotated[PresetName, typer.Option("--preset", help="Reading of Eq. 5, and its weights.")]
Alpha = Annotated[float | None, typer.Option(min=0, help="Weight of the first term; default: the preset's.")]
Beta = Annotated[float | None, typer.Option(min=0, help="Weight of the contour term.")]
Gamma = Annotated[float | None, typer.Option(min=0, help="Weight of the third term.")]
Fill = Annotated[
    int,
    typer.Option(
        min=0,
        help="With --unsure, fill a photo's masks up to so many with objects that no peak was found on.",
    ),
]
Unsure = Annotated[
    bool,
    typer.Option(
        "--unsure",
        help="Also list what scores too low to be found: `instance` is 0, no picture shows it.",
    ),
]
Threshold = Annotated[float, typer.Option(min=0, max=1, help="Least probability of a class to look for.")]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="NAME", help="Look for this class whatever its probability; repeatable."),
]
Overlays = Annotated[bool, typer.Option("--overlays", help="Also write overlay/ and figure/ pictures.")]
Device = Annotated[str | None, typer.Option(help="cpu, gpu, cuda:1, mps, ...; default: the GPU where there is one.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say only what went wrong.")]


@app.callback()
def _started() -> None:
    streams.forgive()


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
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS_OR_FOLDER...", help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where results go; made if missing.", file_okay=False)],
    model: Model = "voc-lite",
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    proposals: Proposals = None,
    enhancer: WantedEnhancer = None,
    steps: Steps = 3,
    naive: NaiveMap = "class map",
    mode: ResponseMode = "excitation",
    preset: WantedPreset = "paper",
    alpha: Alpha = None,
    beta: Beta = None,
    gamma: Gamma = None,
    fill: Fill = FILL,
    unsure: Unsure = False,
    threshold: Threshold = 0.1,
    classes: Classes = None,
    overlays: Overlays = False,
    device: Device = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Photos at a time; default: as many as there are cores, at most 8.")
    ] = None,
    quiet: Quiet = False,
    edits: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What was done by hand to the one photo, from the explorer: model, settings and weights are its own.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Find the instances in photos and write their masks.

    Writes instances.json (COCO results), coco.json (a COCO data set), semantic/STEM.png and instance/STEM.png (index
    PNGs) and manifest.json. A photo that cannot be used is reported and the rest goes on. Exit code 0: all good; 1:
    some failed; 2: wrong usage.
    """
    with _exits(f"{out / 'instances.json'} was not written; the PNGs that are there are whole."):
        with imports.uncollected():
            from wsis.jobs import local, options  # noqa: PLC0415
            from wsis.jobs.photo import Job  # noqa: PLC0415
            from wsis.pipeline import Pipeline  # noqa: PLC0415
            from wsis.proposals import sources  # noqa: PLC0415

        if proposals is not None:
            sources.check(proposals)  # before hours of work
        selection = local.collect(photos)
        edited = None if edits is None else options.edited(edits, len(selection.photos), _given(context))
        if edited is not None and "model" not in _given(context):
            model = edited.made.model
        pipeline = Pipeline.load(model, device=device, weights=_text(weights), labels=_text(labels))
        if edited is None:
            settings = options.chosen(
                pipeline, enhancer, preset, classes, quiet,
                steps=steps, naive=naive, mode=mode, class_threshold=threshold,
            )  # fmt: skip
            matching = options.weights(preset, alpha, beta, gamma)
        else:
            (settings, matching), fill = options.of_edits(pipeline, edited), 0
        job = Job(
            pipeline=pipeline, settings=settings, weights=matching, fill=fill, out=out, proposals=proposals,
            overlays=overlays, unsure=unsure, edits=edited,
        )  # fmt: skip
        failed = local.run(job, selection, quiet, workers)
    raise typer.Exit(1 if failed else 0)


@app.command()
def batch(
    photos: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, patterns, parquet files of paths; local, s3:// or gs://."),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Where results go: a local folder, s3:// or gs://.")],
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column of paths in parquet files; default: path, uri or url.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster, or auto; default: start Ray on this machine.")
    ] = None,
    actors: Annotated[
        int | None, typer.Option(min=1, help="Processes that hold the model; default: one a GPU, or one a core.")
    ] = None,
    cpus_per_actor: Annotated[int, typer.Option(min=1, help="Cores of an actor.")] = 1,
    gpus_per_actor: Annotated[
        float | None, typer.Option(min=0, help="GPUs of an actor, 0.5 for two on one; default: 1 where there is one.")
    ] = None,
    shard: Annotated[int, typer.Option(min=1, help="Photos that an actor takes at a time.")] = 32,
    retries: Annotated[
        int, typer.Option(min=0, help="Tries more for a photo that a disk or network failed or that ended its actor.")
    ] = 2,
    again: Annotated[
        bool, typer.Option("--again", help="Look again at photos that an earlier start set aside.")
    ] = False,
    model: Model = "voc-lite",
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    proposals: Proposals = None,
    enhancer: WantedEnhancer = None,
    steps: Steps = 3,
    naive: NaiveMap = "class map",
    mode: ResponseMode = "excitation",
    preset: WantedPreset = "paper",
    alpha: Alpha = None,
    beta: Beta = None,
    gamma: Gamma = None,
    fill: Fill = FILL,
    unsure: Unsure = False,
    threshold: Threshold = 0.1,
    classes: Classes = None,
    overlays: Overlays = False,
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """The same for very many photos, on all cores and GPUs of this machine or of a Ray cluster.

    Stopped or killed, the same command goes on where it was. Folders are read with those below them, and results are
    named by the path below the folder that all photos share. Beside what `segment` writes there are instances.parquet,
    photos.parquet (each photo, or why it was set aside) and both in shards/. Exit codes as of `segment`.
    """
    with _exits("what is done is kept; the same command goes on from there."):
        try:
            from wsis.jobs.cluster import batch as cluster_batch  # noqa: PLC0415
            from wsis.jobs.cluster import photo_lists  # noqa: PLC0415
            from wsis.jobs.cluster.plan import Crew, Plan  # noqa: PLC0415
            from wsis.jobs.cluster.storage import Folder  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("ray", "pyarrow", "fsspec"):
                raise
            raise WsisError(
                f"batch needs {error.name}, which is not installed: pip install -r requirements-cluster.txt. "
                f"Without it: python -m wsis segment {shlex.join([*photos, '--out', out])}"
            ) from error
        from wsis.jobs import options  # noqa: PLC0415
        from wsis.pipeline import Pipeline  # noqa: PLC0415
        from wsis.proposals import sources  # noqa: PLC0415

        crew = Crew(
            actors=actors, cpus=cpus_per_actor, gpus=gpus_per_actor, address=address,
            shard=shard, retries=retries, again=again,
        )  # fmt: skip
        if proposals is not None:
            sources.check(proposals)
        listing = photo_lists.listed(photos, column)
        pipeline = Pipeline.load(model, device=device, weights=_text(weights), labels=_text(labels))
        settings = options.chosen(
            pipeline, enhancer, preset, classes, quiet, steps=steps, naive=naive, mode=mode, class_threshold=threshold
        )
        matching = options.weights(preset, alpha, beta, gamma)
        plan = Plan.of(
            pipeline, settings, matching, fill=fill, overlays=overlays, unsure=unsure,
            weights=weights, labels=labels, proposals=proposals, device=device,
        )  # fmt: skip
        failed = cluster_batch.run(plan, pipeline.checkpoint, listing, Folder(out), crew, quiet)
    raise typer.Exit(1 if failed else 0)


@app.command()
def teach(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Folder of photos: a folder a class, or any.")],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the model goes; made if missing.", file_okay=False)
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV or TSV, COCO data set, VOC kit or list, export of Label Studio or CVAT."
        ),
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="NAME", help="Model that is taught on top of; its backbone stays as it is.")
    ] = "imagenet-lite",
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep", help="Whether the base's classes stay; default: where they can (imagenet-lite's not)."
        ),
    ] = None,
    background: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photos that show none of the classes.", file_okay=False)
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also train the last level of the backbone: far slower, for many photos.")
    ] = False,
    device: Device = None,
    quiet: Quiet = False,
) -> None:
    """Teach new classes from photos with image-level labels, in minutes.

    It tells what it understood, looks at each photo once (kept for the next time), fits a head, and writes a folder
    that --model takes, with a card of held-out figures. Exit code 0: taught; 2: that cannot work, and why.
    """
    with _exits("what was looked at is kept; the same command goes on from there."):
        with imports.uncollected():
            from wsis import devices  # noqa: PLC0415
            from wsis.teaching import run  # noqa: PLC0415

        lesson = run.Lesson(photos, out, labels, base, keep, background, devices.find(device), deep=deep)
        run.teach(lesson, (lambda _: None) if quiet else run.to_stdout)


@contextmanager
def _exits(stopped: str) -> Iterator[None]:
    """Errors that a user can mend, and being stopped, as exit codes."""
    try:
        with stopping.heard():
            yield
    except (WsisError, OSError) as error:
        print(names.printable(f"Error: {error}"), file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        print(names.printable(f"Stopped: {stopped}"), file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _given(context: typer.Context) -> frozenset[str]:
    """The options that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
