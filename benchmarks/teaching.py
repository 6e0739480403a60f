"""What an answer on *Teach* costs: the head is fitted again, and says of every photo what it thinks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import Figures, timed
from wsis.explorer.tabs.teach.lesson import Lesson
from wsis.teaching.features import GRID, load_base

PHOTOS = 1000
CLASS = "spoon"


def teaching(runs: int) -> Figures:
    """A session of 1,000 photos with an answer each, three quarters of them taught; features were computed before.

    Features are noise of the embedded base's width, in which a photo that shows the class differs a little.
    """
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson("benchmark", Path(folder, "session"))
        lesson.on(load_base(), Path(folder, "features"))
        lesson.session.add_class(CLASS)
        assert lesson.cache is not None
        width = lesson.cache.base.classifier.head.weight.shape[1]
        for i in range(PHOTOS):
            digest = lesson.session.add_photo(str(i).encode(), f"{i}.png")
            assert digest is not None  # no two are alike
            lesson.cells[digest] = rng.normal(0.1 * (i % 2), 1, (GRID * GRID, width)).astype(np.float16)
            lesson.session.answer(CLASS, digest, "yes" if i % 2 else "no")
        figures = timed(lambda: lesson.fit(CLASS), runs)
        lesson.session.close()
    return {**figures, "photos": PHOTOS}
