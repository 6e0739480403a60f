"""`python -m benchmarks.page`: run everything, then write docs/performance.md and the table in README.md.

What was measured is kept in docs/performance.json; `--kept` writes the pages from it again.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import typer

from benchmarks import curves, gpu
from benchmarks.suite import SUITE

ROOT = Path(__file__).parents[1]
DATA, PAGE, FIGURE = (ROOT / "docs" / name for name in ("performance.json", "performance.md", "figures/growth.png"))
START, END = "<!-- speed: python -m benchmarks.page -->", "<!-- /speed -->"
MEMORY = ((10, 0.19), (60, 0.19), (10, 8.0), (60, 8.0))
"""Peaks and megapixels at which the most memory is measured."""
PIXELS = (
    "Seconds by millions of pixels of the photo, 10 peaks. The analysis works at 448 pixels; what grows is making the "
    "photo that small, and masks at its own size."
)
WHAT = {
    "prm": "PRM, 10 peaks",
    "icn": "ICN, 10 maps, T = 3",
    "proposals": "proposals",
    "matching": "matching, 10 peaks x all proposals (prm-2018)",
    "rerank": "re-ranking for new weights",
    "analyse": "a whole analysis, 10 peaks",
    "batch": "`wsis segment`, 8 photos, model loaded",
    "train": "a step of both trainings",
    "import": "`import wsis`",
}
AGAINST = {
    "prm": "one backward pass a peak",
    "icn": "one map at a time",
    "proposals": "selective search (OpenCV, fast, boxes only)",
    "matching": "a resize, a morphology and sums a pair",
}


def main(
    names: Annotated[list[str] | None, typer.Argument(help="measure only these again; all by default")] = None,
    runs: Annotated[int, typer.Option(help="counted runs of each benchmark")] = 9,
    kept: Annotated[bool, typer.Option("--kept", help="measure nothing, write the pages again")] = False,
) -> None:
    """Measure, then write."""
    parts = measurements(runs)
    unknown = [name for name in names or () if name not in parts]
    if unknown:
        raise typer.BadParameter(f"no part '{unknown[0]}'; there are: {', '.join(parts)}")
    found = json.loads(DATA.read_text()) if DATA.exists() else {}
    for name in () if kept else names or parts:
        found[name] = parts[name]()
    found |= {} if kept else {"machine": f"{_processor()}, {os.cpu_count()} cores, torch {torch.__version__}"}
    DATA.write_text(json.dumps(found, indent=1) + "\n")
    figure(found, FIGURE)
    PAGE.write_text(page(found))
    readme = ROOT / "README.md"
    readme.write_text(between(readme.read_text(), summary(found)))


def measurements(runs: int) -> dict[str, Callable[[], Any]]:
    """What can be measured, by name: benchmarks, curves and memory."""
    few = max(3, runs // 3)
    return {
        "by peaks": lambda: curves.peaks(few),
        "by photos": lambda: curves.photos(few),
        "by pixels": lambda: curves.pixels(few),
        "memory": lambda: [curves.memory(*at) for at in MEMORY],
        **{name: partial(SUITE[name], runs) for name in SUITE},
    }


def table(found: dict[str, Any]) -> str:
    """Benchmarks beside their references and floors, as a Markdown table."""
    rows = [
        "| | median | spread | times as fast as | ... | times its floor | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, what in WHAT.items():
        one = found[name]
        ratio, floor = one["ratio_to_reference"], one["ratio_to_floor"]
        rows.append(
            f"| {what} | {_time(one['median_s'])} | {_time(one['spread_s'])} "
            f"| {_number(ratio)} | {AGAINST[name] if ratio else ''} | {_number(floor)} | {one['peak_mb']:.0f} |"
        )
    return "\n".join(rows)


def summary(found: dict[str, Any]) -> str:
    """What README says: the table, a folder and the explorer."""
    explorer = found["explorer"]
    return f"""{table(found)}

A folder goes at {found["batch"]["photos_per_s"]:.1f} photos a second once the model is loaded.

The explorer in headless Chromium on the same machine: a move of a slider is ranked, suppressed and repainted in
{explorer["slider_median_ms"]:.1f} ms (median; {explorer["slider_p95_ms"]:.1f} ms at the 95th percentile) with
{explorer["server_calls_during_drag"] or "no"} call to the server; a dropped photo shows its first map after
{explorer["first_map_s"]:.2f} s and its instances after {explorer["instances_s"]:.1f} s; opening an example transfers
at most {explorer["payload_bytes"] / 1e6:.2f} MB; the first page
stands {explorer["first_page_s"]:.1f} s after the start."""


def page(found: dict[str, Any]) -> str:
    """The whole of docs/performance.md."""
    prm, batch, proposals = found["prm"], found["batch"], found["proposals"]
    stages = ", ".join(f"{name} {took:.2f}" for name, took in found["analyse"]["stages_s"].items())
    return f"""# Performance

Made by `python -m benchmarks.page` on {found["machine"]}; a real photo of 500x375
pixels, the embedded model, medians; a benchmark and its reference run in turn.
`python -m benchmarks [NAME ...] [--json]` measures again.

{summary(found)}

*Floor*: operations at the rate of a float32 matrix product on this machine, or bytes at the rate of a copy,
whichever is longer. PRM's counts the method's: a forward pass, its normalisers, a backward pass a peak over the whole
grid. Counted by what is really computed (windows around peaks, the cells that dilated layers reach) it is
{prm["own_floor_s"]:.2f} s, of which the median is {prm["median_s"] / prm["own_floor_s"]:.1f} times.

- Stages of the last analysis in seconds: {stages}. Class
  maps and proposals are made side by side, so their times are longer than alone, and their sum longer than the whole.
- `wsis segment` as a command, start included: {batch["command_s"]:.1f} s for {batch["photos"]} photos.
- Proposals: {proposals["proposals"]} in {_time(proposals["median_s"])}; MCG takes {proposals["published_mcg_s"]} s a
  photo, as published.

## How cost grows

![Seconds by peaks, photos and megapixels](figures/growth.png)

{_curve(found["by peaks"], "peaks", "Seconds by the number of peaks on one photo.")}

{_curve(found["by photos"], "photos", "Seconds of `wsis segment` by the number of photos.")}

{_curve(found["by pixels"], "megapixels", PIXELS)}

*Exponent*: the slope of a straight line through the logarithms of the larger half of the points; 1 is linear.

## Memory

Most memory of one process that analyses a photo with peak responses (`naive="mixed"`) and makes all its masks, the
interpreter, torch and the model included.

| peaks | megapixels | peak MB | of which before the photo |
|---|---|---|---|
{_memory(found["memory"])}

## On a GPU

{gpu.section()}

## What was tried

- **PRM in bfloat16**, which the processor multiplies natively: no faster here, and further off than .1% of a map's
  maximum. float32 stays.
- **Autograd's batching** (`is_grads_batched`) splits the backward pass of a depthwise convolution into its groups and
  is slower than one peak at a time. `wsis.response` has a tape of its own instead.
- **Early exit for ICN maps that stopped changing**: after T = 3 steps {100 * found["icn"]["settled"]:.0f}% of the
  benchmark's maps had changed by less than .01 in the last one, so there is nothing to leave out.
"""


def figure(found: dict[str, Any], path: Path) -> None:
    """The three curves on logarithmic axes, beside a line of slope 1."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for ax, (key, along) in zip(
        axes, (("by peaks", "peaks"), ("by photos", "photos"), ("by pixels", "megapixels")), strict=True
    ):
        points = found[key]
        for name, values in points.items():
            if name != along:
                ax.loglog(points[along], values, marker="o", markersize=3, label=name)
        x = np.array(points[along])
        top = max(max(values) for name, values in points.items() if name != along)
        ax.loglog(x, top * x / x[-1], color="0.7", linestyle="--", label="linear")
        ax.set(xlabel=along, ylabel="seconds")
        ax.set_xticks(points[along], [f"{value:.2g}" for value in points[along]])
        ax.minorticks_off()
        ax.legend(fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def exponent(x: list[float], y: list[float]) -> float:
    """Slope through the logarithms of the larger half of the points."""
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def between(text: str, new: str) -> str:
    """`text` with what stands between the marks replaced."""
    before, rest = text.split(START)
    return f"{before}{START}\n{new}\n{END}{rest.split(END)[1]}"


def _curve(points: dict[str, list[float]], along: str, caption: str) -> str:
    names = [name for name in points if name != along]
    rows = [f"| {along} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for i, value in enumerate(points[along]):
        rows.append(f"| {value:.3g} | " + " | ".join(_time(points[name][i]) for name in names) + " |")
    slopes = " | ".join(f"{exponent(points[along], points[name]):.2f}" for name in names)
    return "\n".join([caption, "", *rows, f"| *exponent* | {slopes} |"])


def _memory(found: list[dict[str, float]]) -> str:
    return "\n".join(
        f"| {one['peaks']} | {one['megapixels']:g} | {one['peak_mb']:.0f} | {one['loaded_mb']:.0f} |" for one in found
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    typer.run(main)
