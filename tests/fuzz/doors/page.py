"""What the explorer's page says: `wsis.explorer.visit.Now` and `Controls`."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fuzz import mutate, seeds
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from tests.helpers.small_analysis import small_analysis
from wsis import matching, peaks
from wsis.analysis import Analysis
from wsis.explorer.scene import Scene
from wsis.explorer.visit import Controls, Now
from wsis.explorer.words import AXES
from wsis.maps import ClassMaps
from wsis.matching import PRESETS, READINGS, Weights
from wsis.pipeline import Pipeline


class Messages(Door):
    """A JSON value to where a visitor stands and what that shows, or a sentence."""

    name = "page messages"
    checked = (
        "a whole message must come back field by field; of any other that is read, types and ranges; the winners on "
        "the screen must have the greatest sum of terms, added up one by one"
    )
    count = 3000

    @cached_property
    def _analyses(self) -> list[Analysis]:
        made = small_analysis()
        steps = [[matching.terms(maps, made.proposals, name) for maps in made.maps] for name in ("cover", "penalty")]
        return [replace(made, terms=np.stack(terms)) for terms in steps]

    def case(self, rng: random.Random) -> Case:
        """A message with parts replaced, or no message at all."""
        said = seeds.page_message()
        if rng.random() < 0.1:
            said |= {"peak": rng.randrange(2), "weights": [rng.random() for _ in AXES], "reading": rng.choice(READINGS)}
            return Case(seeds.text(said), "a whole message", said)
        if rng.random() < 0.05:
            return Case(seeds.text(rng.choice(mutate.ODD_VALUES)), "no message")
        for _ in range(rng.choice((1, 1, 2, 3))):
            said = mutate.twisted(said, rng)
        return Case(seeds.text(said), "another value")

    def enter(self, content: bytes) -> tuple[Now, list[Scene]]:
        """Read it, and look at an analysis as it says."""
        now = Now.of(json.loads(content.decode("utf-8", "surrogatepass")))
        scenes = [Scene(made, "a.jpg", now.peak, now.step, now.preset, now.weights) for made in self._analyses]
        for scene in scenes:
            _ = scene.found, scene.best, scene.peak
        return now, scenes

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Fields, then winners."""
        now, scenes = answer
        texts = (now.preset, now.reading, now.enhancer, now.compare, now.tab)
        if not all(isinstance(text, str) for text in texts) or now.preset not in PRESETS or now.reading not in READINGS:
            return f"fields of other types: {now}", True
        if not (
            type(now.peak) is int and type(now.step) is int and type(now.dark) is bool and set(now.axes) <= {*AXES}
        ):
            return f"fields of other types: {now}", True
        if case.expected is not UNKNOWN:
            said, weights = case.expected, [now.weights.alpha, now.weights.beta, now.weights.gamma]
            same = all(getattr(now, key) == said[key] for key in ("token", "peak", "step", "reading", "tab", "dark"))
            if not same or weights != said["weights"] or now.axes != tuple(AXES[i] for i in said["axes"]):
                return f"read as {now}", True
        return next(filter(None, (not_winners(scene.analysis, scene) for scene in scenes)), ""), True


class Settings(Door):
    """Values of the advanced settings to peaks, or a sentence."""

    name = "settings"
    checked = (
        "the peaks that are found with settings that are taken must be those of a search through every window, cell by "
        "cell"
    )
    count = 1500

    def case(self, rng: random.Random) -> Case:
        """Values, some of them odd."""
        numbers = [rng.random(), rng.choice((3, 5, 7)), rng.random() * 3, 60, 0.02]
        values: list[Any] = ["class map", "excitation", *numbers, True, True, 0.1]
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            values[rng.randrange(len(values))] = rng.choice(
                (*mutate.ODD_VALUES, 2, 4, 99, 100_001, 1e9, 1e-9, "response", "gradient")
            )
        return Case(tuple(values), "values")

    def enter(self, content: Any) -> tuple[Any, ClassMaps, peaks.Peaks]:
        """Make settings and find peaks as the pipeline does."""
        settings = Controls(*content).settings(enhancer="none", reading="cover")
        rng = np.random.default_rng(0)
        seen = ClassMaps(rng.random((3, 9, 11), np.float32), rng.random(3, np.float32), ("a", "b", "c"))
        pipeline = Pipeline(SimpleNamespace(name="tiny"))  # type: ignore[arg-type]
        return settings, seen, pipeline.peaks(seen, settings)

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Search for peaks again."""
        settings, seen, found = answer
        expected, reach = [], settings.window // 2
        for category in np.flatnonzero(seen.scores >= settings.class_threshold):
            strength = peaks.peak_maps(seen.maps[[category]], settings.sigma)[0]
            cells = []
            for row, column in itertools.product(*map(range, strength.shape)):
                rows = slice(max(row - reach, 0), row + reach + 1)
                box = strength[rows, max(column - reach, 0) : column + reach + 1]
                if strength[row, column] > 0 and (box >= strength[row, column]).sum() == 1:
                    cells.append((category, row, column))
            best = np.unravel_index(seen.maps[category].argmax(), strength.shape)
            expected += cells or [(category, *best)]
        got = list(zip(found.classes, found.rows, found.columns, strict=True))
        if len(got) != min(len(expected), settings.max_peaks) or not {*got} <= {*expected}:
            return f"{len(got)} peaks, expected {len(expected)}, at most {settings.max_peaks}", True
        return "", True


def not_winners(analysis: Analysis, scene: Scene) -> str:
    """What is wrong with a scene's instances, empty if nothing."""
    if not (0 <= scene.step <= analysis.steps and 0 <= scene.peak < len(analysis.peaks)):
        return f"step {scene.step} and peak {scene.peak} are not there"
    for one in analysis.instances(scene.weights, scene.step):  # those that pictures leave out too
        scores = sums(analysis.ranked_terms[scene.step, one.peak], scene.weights)
        if scores[one.proposal] != max(scores) or not 0 <= one.score <= 1:
            return f"proposal {one.proposal} wins with {scores}, score {one.score}"
    scores = sums(analysis.ranked_terms[scene.step, scene.peak], scene.weights)
    listed = [scores[i] for i in scene.best]
    ordered = listed == sorted(listed, reverse=True) and listed[0] == max(scores)
    return "" if ordered else f"listed by {listed}"


def sums(terms: np.ndarray, weights: Weights) -> list[float]:
    """Eq. 5, proposal by proposal."""
    return [a * weights.alpha + b * weights.beta + c * weights.gamma for a, b, c in terms.tolist()]
