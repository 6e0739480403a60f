"""Downloads: what one visitor sees, as files that nobody else can find."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from wsis import export
from wsis.checkpoints import Checkpoint
from wsis.errors import WsisError
from wsis.explorer.view import Scene

WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "COCO JSON": ("instances.json", export.coco_json),
    "VOC PNG": ("voc.zip", export.voc_zip),
    "Overlay": ("overlay.png", export.overlay_png),
    "Bundle": ("wsis.zip", export.bundle),
}
"""Title of each download's button, how the file's name ends, and what writes it."""
KEEP_SECONDS = 600


class Folder:
    """A temporary folder that forgets what is older than ten minutes and goes with the process."""

    def __init__(self) -> None:
        """Make the folder."""
        self._home = tempfile.TemporaryDirectory(prefix="wsis-explorer-")

    def write(self, kind: str, scene: Scene, model: str | Checkpoint) -> Path:
        """Write one download.

        Args:
            kind: a key of `WRITERS`.
            scene: what is on the screen.
            model: what made it, for the manifest.

        Returns:
            Path of the file, below a name that cannot be guessed.
        """
        if scene.empty:
            raise WsisError("There is no instance to download yet. Switch a class on first.")
        home = Path(self._home.name)
        for old in home.iterdir():
            if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        stem = Path(scene.choice.photo).stem or "photo"
        ending, write = WRITERS[kind]
        more = {"weights": scene.choice.weights} if write is export.bundle else {}
        path = home / secrets.token_urlsafe(16) / f"{stem}-{ending}"
        return write(path, scene.analysis, scene.found, stem=stem, model=model, **more)
