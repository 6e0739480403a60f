"""The photos that are shown to whoever has none at hand, each analysed once for everybody."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from wsis.analysis import Settings
from wsis.explorer.models import Models
from wsis.explorer.store import Entry, Store
from wsis.image import read


class Examples:
    """Photos and, once somebody has asked for one, its analysis, which nobody owns.

    Attributes:
        photos: files by the name that they are shown with; may be empty.
        finished: tokens in the store by name.
    """

    def __init__(self, photos: Mapping[str, Path], models: Models, store: Store, settings: Settings) -> None:
        """Analyse by the first of these models with these settings, and keep in this store."""
        self.photos, self.finished = dict(photos), dict[str, str]()
        self._models, self._store, self._settings = models, store, settings
        self._lock = threading.Lock()

    @property
    def first(self) -> str | None:
        """The one that a page opens with."""
        return next(iter(self.photos), None)

    def entry(self, name: str) -> tuple[str, Entry]:
        """Token and entry of a finished example, which is analysed now if it was not before."""
        if name not in self.finished:
            with self._lock:
                if name not in self.finished:
                    networks = self._models.get()
                    analysis = networks.whole(read(self.photos[name]), self._settings)
                    self.finished[name] = self._store.put(analysis, photo=name, origin=networks.origin, pinned=True)
        token = self.finished[name]
        return token, self._store.get(token)

    def warm(self) -> threading.Thread:
        """Analyse the first in the background, so that the first page can show it."""
        thread = threading.Thread(target=self._warm, daemon=True)
        thread.start()
        return thread

    def _warm(self) -> None:
        if self.first is not None:
            self.entry(self.first)
