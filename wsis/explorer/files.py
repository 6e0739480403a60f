"""Downloads: what one visitor sees, as files that nobody else can find."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from wsis import coco_dataset, edits, export, files, replay
from wsis.errors import WsisError
from wsis.explorer import downloads, growth, rated, report
from wsis.explorer.scene import Scene
from wsis.instances import Instance
from wsis.provenance import Described

PREFIX = "wsis-explorer-"
"""Of temporary folders."""
KEEP_SECONDS = 600
RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{i}" for name in ("com", "lpt") for i in range(10))}
"""Names that Windows keeps for devices, whatever their ending."""
LONGEST = 120
"""Bytes of a stem: file systems stop at 255, and endings and folders are added."""


def _report(scene: Scene, model: str | Described, device: str) -> bytes:
    return report.html(scene, model, report.Options(device=device)).encode()


def _bundle(scene: Scene, stem: str, model: str | Described, device: str) -> bytes:
    return downloads.bundle(
        scene.analysis,
        scene.listed,
        stem=stem,
        model=model,
        weights=scene.weights,
        step=scene.step,
        more={
            "report.html": _report(scene, model, device),
            **({"edits.json": _edits(scene, model)} if scene.analysis.hands else {}),
        },
        trust=rated.shares(scene, scene.listed),
        fill=scene.fill,
    )


def _edits(scene: Scene, model: str | Described) -> bytes:
    name = scene.origin.name if scene.origin else model if isinstance(model, str) else model.name
    return edits.written(
        replay.record(scene.analysis, photo=scene.photo, model=name, weights=scene.weights, step=scene.step)
    )


def _film(film: Callable[[Scene], bytes], scene: Scene, *_: Any) -> bytes:
    return film(scene)


def _results(scene: Scene, listed: tuple[Instance, ...], stem: str) -> bytes:
    return downloads.coco_json(scene.analysis, listed, stem, rated.shares(scene, listed))


def _data_set(scene: Scene, stem: str) -> bytes:
    height, width = scene.analysis.evidence.size
    photo = {"image_id": stem, "file_name": Path(scene.photo).name, "width": width, "height": height}
    entries = export.coco_results(scene.analysis, scene.listed, stem=stem, trust=rated.shares(scene, scene.listed))
    return coco_dataset.dataset(scene.analysis.classes, [photo], entries)


GROWTH: dict[str, tuple[str, Callable[[Scene], bytes]]] = {
    "GIF": ("growth.gif", growth.gif),
    "MP4": ("growth.mp4", growth.mp4),
}
"""Films of the picked peak's map, which have their buttons beside the steps: how the name ends, and the content."""
WRITERS: dict[str, tuple[str, Callable[[Scene, str, str | Described, str], bytes]]] = {
    "COCO JSON": ("instances.json", lambda scene, stem, *_: _results(scene, scene.listed, stem)),
    "COCO data set": ("coco.json", lambda scene, stem, *_: _data_set(scene, stem)),
    "VOC PNG": ("voc.zip", lambda scene, stem, *_: downloads.voc_zip(scene.analysis, scene.found, stem)),
    "Overlay": ("overlay.png", lambda scene, *_: downloads.overlay_png(scene.analysis, scene.found)),
    "Strip": ("strip.png", lambda scene, *_: downloads.strip_png(scene.analysis, scene.found, scene.step)),
    "Edits": ("edits.json", lambda scene, _stem, model, _device: _edits(scene, model)),
    "Maps": ("maps.npz", lambda scene, *_: export.maps_npz(scene.analysis)),
    "Report": ("report.html", lambda scene, _stem, model, device: _report(scene, model, device)),
    "Bundle": ("wsis.zip", _bundle),
    **{kind: (ending, partial(_film, film)) for kind, (ending, film) in GROWTH.items()},
}
"""Title of each download's button, how the file's name ends, and its content from scene, stem, model and device."""

INSTANCE_WRITERS: dict[str, tuple[str, Callable[[Scene, Instance, str], bytes]]] = {
    "instance-png": ("png", lambda scene, instance, _stem: export.mask_png(scene.analysis, instance)),
    "instance-json": ("json", lambda scene, instance, stem: _results(scene, (instance,), stem)),
}
"""The same for one instance, from scene, instance and stem."""


class Folder:
    """A temporary folder that forgets what is older than ten minutes and goes with the process."""

    def __init__(self, device: str = "") -> None:
        """Make the folder; reports name the device that the networks run on."""
        self._device = device
        self._home = self._made()

    @staticmethod
    def _made() -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)

    def write(self, kind: str, scene: Scene, model: str | Described, index: int = 0) -> Path:
        """Write one download.

        Args:
            kind: a key of `WRITERS` or of `INSTANCE_WRITERS`.
            scene: what is on the screen.
            model: what made it, for the manifest.
            index: place of the instance in `scene.every`, for `INSTANCE_WRITERS`.

        Returns:
            Path of the file, below a name that cannot be guessed.

        Raises:
            WsisError: there is no such instance, or it cannot be written.
        """
        if kind not in WRITERS and kind not in INSTANCE_WRITERS:
            raise WsisError(
                f"There is no download '{kind}'. Choose one of: {', '.join((*WRITERS, *INSTANCE_WRITERS))}."
            )
        if scene.empty:
            raise WsisError("There is no instance to download yet. Switch a class on first.")
        try:
            return self._write(self._place(), kind, scene, model, index)
        except (OSError, WsisError) as error:
            if not isinstance(error.__cause__ or error, OSError):
                raise
            # Its words would name a folder of the server.
            raise WsisError("The server cannot keep the download just now. Try again later.") from error

    def _place(self) -> Path:
        """A new folder's path; what is old goes, and a home that somebody deleted is made anew."""
        if not Path(self._home.name).is_dir():
            self._home = self._made()
        home = Path(self._home.name)
        for old in home.iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                    shutil.rmtree(old)
        return home / secrets.token_urlsafe(16)

    def _write(self, folder: Path, kind: str, scene: Scene, model: str | Described, index: int) -> Path:
        stem = safe_stem(scene.photo)
        if kind in WRITERS:
            ending, content = WRITERS[kind]
            return files.write(folder / f"{stem}-{ending}", content(scene, stem, model, self._device))
        if not 0 <= index < len(scene.every):
            raise WsisError("This instance is no longer on the screen. Choose one from the table.")
        instance, (ending, content_of) = scene.every[index], INSTANCE_WRITERS[kind]
        name = f"{stem}-{safe_stem(instance.name)}-{index + 1}.{ending}"
        return files.write(folder / name, content_of(scene, instance, stem))


def safe_stem(name: str) -> str:
    """What a file may be called after a photo: its name without folders and ending, or `photo`.

    Letters of every script stay. Control characters, those that steer the direction of text, and those that Windows
    forbids go; so do dots and spaces at either end, and what is longer than `LONGEST` bytes.
    """
    name = unicodedata.normalize("NFC", Path(re.split(r"[/\\]", name)[-1]).stem)
    kept = "".join(
        "_" if c in '<>:"|?*' else c for c in name if not unicodedata.category(c).startswith(("C", "Zl", "Zp"))
    )
    kept = kept.encode()[:LONGEST].decode(errors="ignore").strip(". ")
    return f"_{kept}" if kept.split(".")[0].lower() in RESERVED else kept or "photo"
