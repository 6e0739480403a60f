"""Tables 1, 3 and 4 of the paper with our networks, and Figs. 5 to 7, in one run.

`python -m train.ablate --voc KIT --split val` writes `results.json` beside the model's networks, where the explorer
reads it, and `results.md` and `figures/` into `docs`; `python -m train.ablate.page` then renews the README. What was
measured of a photo is kept on disk, so a second run reads it and loads no network.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from train import data, scripts
from train.ablate import figures, page, photos, rows, variants
from train.ablate.photos import Networks
from train.ablate.rows import INSTANCES, PUBLISHED, SALIENCY, STEP, STEPS
from wsis import checkpoints, devices, files, image, results
from wsis.errors import WsisError
from wsis.pipeline import Pipeline

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
"""Photos that may be printed; VOC's may not."""
FORMAT = 3
"""Of the pictures that are kept; a new number makes old ones be drawn again."""
SHOWN = ("2-cat", "3-motorcycle", "5-horse")
"""Photos of Fig. 6."""


def pictures(networks: Networks, cache: Path) -> dict[str, bytes]:
    """Figs. 6 and 7 as PNGs by name, drawn again only where a photo, a network or a setting changed."""
    examples = sorted(EXAMPLES.glob("*.jpg"))
    published = replace(SALIENCY, steps=max(STEPS), changes=PUBLISHED).settings
    digest = hashlib.sha256(b"".join(photo.read_bytes() for photo in examples))
    how = [FORMAT, networks.fingerprint(), asdict(published), asdict(INSTANCES.settings)]
    digest.update(json.dumps(how, sort_keys=True).encode())
    kept = {name: cache / f"{digest.hexdigest()}-{name}.png" for name in ("steps", "instances")}
    if not all(file.is_file() for file in kept.values()):
        pipeline = Pipeline.load(networks.model, device=networks.device)
        evidence = {photo.stem: pipeline.observe(image.read(photo)) for photo in examples}
        grown = [pipeline.analyse(evidence[name], published) for name in SHOWN]
        by_default = [pipeline.analyse(observed, INSTANCES.settings) for observed in evidence.values()]
        files.write(kept["steps"], figures.steps(grown, STEP))
        files.write(kept["instances"], figures.sheet(by_default))
    return {name: file.read_bytes() for name, file in kept.items()}


@scripts.told
def main(
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first N photos")] = None,
    model: Annotated[str, typer.Option(help="checkpoint with both ICNs")] = "voc-lite",
    folder: Annotated[
        Path, typer.Option("--variants", help="where the ICNs of Table 1 lie, see train.ablate.variants")
    ] = Path("checkpoints/ablations"),
    out: Annotated[Path, typer.Option(help="where the page and its figures go")] = Path("docs"),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="where the numbers go; the model's folder by default")
    ] = None,
    cache: Annotated[Path, typer.Option(help="where measured photos are kept")] = Path(".cache/ablate"),
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
    device: Annotated[str, typer.Option(help="cpu, gpu, cuda:1, ...; auto: the GPU where there is one")] = "cpu",
) -> None:
    """Write the tables and figures of a split."""
    device = devices.find(device)
    ids = data.voc_ids(voc_kit, split, half)[:limit]
    there = variants.present(folder)
    for name in (name for name in variants.WITHOUT if name not in there):
        print(f"{folder / name}.safetensors is missing: Table 1 goes without it.", file=sys.stderr)
    networks = Networks(model, there, device)
    measured = photos.measured(voc_kit, ids, rows.every(there), networks, cache, processes)
    drawn = pictures(networks, cache)
    best = [photo[INSTANCES][0] for photo in measured]
    drawn["per-class"] = figures.per_class(best, f"ICNs of regions and objects, T = {STEP}, {len(ids)} photos")
    options = [f"--voc {voc_kit.name}", f"--split {split}"]
    options += [f"--half {half}"] * (half != "all") + [f"--limit {limit}"] * (limit is not None)
    options += [f"--model {model}"] * (model != "voc-lite")
    command = f"python -m train.ablate {' '.join(options)}"
    about = {"command": command, "model": model, "networks": {n: networks.fingerprint(n) for n in ("", *there)}}
    content = {**about, **page.numbers(measured, there)}
    files.write(json_file or checkpoints.find(model) / page.FILE, json.dumps(content, indent=1) + "\n")
    for name, picture in drawn.items():
        files.write(out / "figures" / f"{name}.png", picture)
    tables = results.read(content)
    if tables is None:
        raise WsisError(f"Nothing was measured of {len(ids)} photos.")
    text = page.markdown(tables)
    files.write(out / "results.md", text)
    print(text)


if __name__ == "__main__":
    scripts.run(main)
