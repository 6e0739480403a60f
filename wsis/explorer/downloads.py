"""What the page's downloads hold, as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from wsis import export, files, provenance, render
from wsis.analysis import Analysis
from wsis.instances import Instance
from wsis.matching import Weights
from wsis.provenance import Described


def coco_json(analysis: Analysis, found: Sequence[Instance], stem: str, trust: Sequence[float | None] = ()) -> bytes:
    """The instances as COCO results, each with its `trust` where it is rated."""
    return files.as_json(export.coco_results(analysis, found, stem=stem, trust=trust)).encode()


def voc_zip(analysis: Analysis, found: Sequence[Instance], stem: str) -> bytes:
    """A zip with `semantic/STEM.png` and `instance/STEM.png`."""
    return export.zipped(_voc(analysis, found, stem))


def overlay_png(analysis: Analysis, found: Sequence[Instance]) -> bytes:
    """The photo with its instances."""
    return export.rgb_png(render.instances(analysis, found))


def strip_png(analysis: Analysis, found: Sequence[Instance], step: int = -1) -> bytes:
    """How each instance came about, as in the paper's Fig. 7; see `render.sheet`."""
    return export.rgb_png(render.sheet(analysis, found, step=step))


def bundle(
    analysis: Analysis,
    found: Sequence[Instance],
    *,
    stem: str,
    model: str | Described,
    weights: Weights | None = None,
    step: int = -1,
    more: Mapping[str, bytes] | None = None,
    trust: Sequence[float | None] = (),
    fill: int = 0,
) -> bytes:
    """Everything in one zip: instances, PNGs, overlay, strips (Fig. 7), raw maps and the manifest.

    The maps are in 8 bits, 255 for 1, as the manifest says of each under `arrays`; see `wsis.export.maps_npz`.

    Args:
        analysis: what was found out.
        found: the instances, from `analysis.instances(weights, step, fill)`; pictures have those that are `painted`.
        stem: name of the photo's files.
        model: for the manifest.
        weights: for the manifest.
        step: which map was matched, 0..T; -1 is the last.
        more: further files, content by name.
        trust: of each instance, see `wsis.trust.shares`.
        fill: for the manifest.
    """
    contents = {
        "instances.json": coco_json(analysis, found, stem, trust),
        **_voc(analysis, found, stem),
        f"overlay/{stem}.png": overlay_png(analysis, found),
        f"figure/{stem}.png": strip_png(analysis, found, step),
        f"maps/{stem}.npz": export.maps_npz(analysis, np.uint8),
        **(more or {}),
    }
    reduced = ("maps", *(["object_maps"] if analysis.objects else []), "contours")
    manifest = {
        **provenance.manifest(analysis, model=model, weights=weights),
        "step": analysis.steps if step < 0 else step,
        "fill": fill,
        "arrays": {name: {"dtype": "uint8", "range": [0, 1], "scale": 1 / 255} for name in reduced},
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in contents.items()
        },
    }
    return export.zipped({"manifest.json": files.as_json(manifest).encode(), **contents})


def _voc(analysis: Analysis, found: Sequence[Instance], stem: str) -> dict[str, bytes]:
    return {
        f"semantic/{stem}.png": export.semantic_png(analysis, found),
        f"instance/{stem}.png": export.instance_png(analysis, found),
    }
