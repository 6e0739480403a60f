"""What the parts of a training are worth: ICNs of several runs in the place of the model's own, on the same photos.

`python -m train.ablate.compare --voc KIT whole=RUN.ckpt no-rivals=RUN.ckpt` prints a table of each, and what each has
more than the first, with intervals of paired resamples; there, runs of one name but several seeds (`no-rivals.1=...`)
are averaged. What was measured of a photo is kept on disk, as by `train.ablate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from train import data, evaluate, scripts
from train.ablate import bootstrap, page, photos
from train.ablate.page import Measure
from train.ablate.photos import Networks
from train.ablate.rows import INSTANCES, AblationRow
from train.icn_run import load_icn
from wsis import results
from wsis.choices import Enhancer
from wsis.errors import WsisError
from wsis.pipeline import Pipeline
from wsis.results import titles


@dataclass(frozen=True)
class Runs(Networks):
    """The model with the ICNs of runs, `variants`, each in the place of its own.

    Attributes:
        enhancer: whose ICN they are.
    """

    enhancer: Enhancer = "icn-instances"

    def load(self) -> dict[str, Pipeline]:
        """A pipeline for each run; the model's own has the empty name."""
        whole = Pipeline.load(self.model, device=self.device)
        checkpoint = whole.checkpoint
        grown = {name: load_icn(file).to(whole.device).requires_grad_(False) for name, file in self.variants.items()}
        others = {
            name: replace(checkpoint, icns={**checkpoint.icns, self.enhancer: icn}) for name, icn in grown.items()
        }
        return {"": whole, **{name: Pipeline(other, self.device) for name, other in others.items()}}


def named(run: str) -> tuple[str, Path]:
    """A run's name and file from NAME=FILE.

    Raises:
        WsisError: there is no name or no such file.
    """
    name, _, file = run.partition("=")
    if not name or not Path(file).is_file():
        raise WsisError(f"Expected NAME=RUN.ckpt, but '{run}' has no name or no file that exists.")
    return name, Path(file)


def content(measured: Sequence[Measure], rows: Sequence[AblationRow]) -> dict[str, Any]:
    """Rows, the mean of each part's seeds, and what each has more than the first, as `wsis.results.read` takes it.

    Args:
        measured: of each row.
        rows: their `network` is a run's name; what is in front of its first dot is the part.
    """
    groups: dict[tuple[str, int], list[Measure]] = {}
    for row, measure in zip(rows, measured, strict=True):
        groups.setdefault((row.network.split(".")[0], row.fill), []).append(measure)
    parts = {key: _mean(group) for key, group in groups.items()}
    first = next(iter(parts))[0]
    each = [page.entry(row, measure) | {"name": row.network} for row, measure in zip(rows, measured, strict=True)]
    differences = [
        {"name": part, "less": first, "fill": fill, **measure.compared(parts[first, fill])}
        for (part, fill), measure in parts.items()
        if part != first
    ]
    about = {"command": "python -m train.ablate.compare", "instances": 0, "resamples": bootstrap.RESAMPLES}
    return {**about, "rows": each, "differences": differences}


def _mean(group: Sequence[Measure]) -> Measure:
    figures = {name: float(np.mean([one.figures[name] for one in group])) for name in page.COMPARED}
    return Measure(figures, {name: np.mean([one.samples[name] for one in group], axis=0) for name in group[0].samples})


@scripts.told
def main(
    runs: Annotated[list[str], typer.Argument(help="NAME=RUN.ckpt each, the one that others are compared with first")],
    voc_kit: Annotated[Path, typer.Option("--voc", help="devkit folder (.../VOC2012)")],
    split: Annotated[str, typer.Option(help="split with masks")] = "val",
    half: Annotated[data.Half, typer.Option(help="every other photo; constants were tuned on the even ones")] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first N photos")] = None,
    model: Annotated[str, typer.Option(help="checkpoint with all other networks")] = "voc-lite",
    enhancer: Annotated[Enhancer, typer.Option(help="whose ICN they stand in for")] = "icn-instances",
    cache: Annotated[Path, typer.Option(help="where measured photos are kept")] = Path(".cache/ablate"),
    processes: Annotated[int, typer.Option("--workers", min=1, help="processes, one thread each")] = 2,
) -> None:
    """Compare the ICNs of runs on a split."""
    networks = Runs(model, dict(map(named, runs)), enhancer=enhancer)
    ids = data.voc_ids(voc_kit, split, half)[:limit]
    row = replace(INSTANCES, enhancer=enhancer)
    rows = [replace(row, network=name, fill=fill) for fill in evaluate.FILLS for name in networks.variants]
    measured = page.measures(photos.measured(voc_kit, ids, rows, networks, cache, processes))
    tables = results.read(content([measured[row] for row in rows], rows) | {"model": model, "photos": len(ids)})
    if tables is None:
        raise WsisError(f"Nothing was measured of {len(ids)} photos.")
    print(page.rows_table(tables.rows, titles(row.figures for row in tables.rows)))
    if tables.differences:
        print(f"\n{page.differences_table(tables)}")


if __name__ == "__main__":
    scripts.run(main)
