"""What made an analysis, without the networks that did: these may be gone when its files are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsis.choices import Enhancer
from wsis.class_names import Synonyms

OUTLINES = ("contours", "objectness")
"""Networks behind the proposals: of two models that share them, photos have the same proposals."""
Mark = tuple[int, ...]
"""Of a folder: another one as soon as it holds another model."""
Key = tuple[str, Mark]


@dataclass(frozen=True, eq=False)
class Origin:
    """As much of a model as files, links and tabs say of it.

    Attributes:
        model: its name on this server, which menu, links and programs have.
        name: what it was loaded by, as the command line takes it.
        classes: that it knows.
        enhancers: that it can run.
        enhancer: where nobody names one.
        synonyms: other names of its classes.
        card: of the checkpoint, see `wsis.checkpoints.Checkpoint`.
        folder: of the checkpoint; None for `timm:` and `torchvision:` models.
        mark: of the folder when it was loaded.
    """

    model: str
    name: str
    classes: tuple[str, ...]
    enhancers: tuple[str, ...]
    enhancer: Enhancer
    synonyms: Synonyms = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    mark: Mark = ()

    @property
    def key(self) -> Key:
        """Equal for the very same networks, also if they were loaded twice."""
        return self.model, self.mark

    def shares_outlines(self, other: Origin) -> bool:
        """Whether a photo has the same proposals for both."""
        if self.key == other.key:
            return True
        if self.folder is None or other.folder is None:  # whose card does not say
            return False
        return self._outlines == other._outlines

    @property
    def _outlines(self) -> list[Any]:
        modules = self.card.get("modules", {})
        return [modules.get(name, {}).get("sha256") for name in OUTLINES]
