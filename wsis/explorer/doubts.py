"""What is likely wrong with what is on the screen, in plain sentences."""

from __future__ import annotations

from collections import Counter

import numpy as np

from wsis.explorer import words
from wsis.explorer.scene import Scene
from wsis.explorer.words import unit
from wsis.hands import overlaps

SAME = 0.7
"""Two masks whose intersection over union is above this are nearly the same."""
LISTED = 6
"""At most so many unsure instances are named."""


def sentences(scene: Scene) -> list[str]:
    """All of them; empty where nothing speaks against what is shown."""
    return [] if scene.empty else [*twins(scene), *shared(scene), *unsure(scene)]


def twins(scene: Scene) -> list[str]:
    """A warning where two classes claim the same pixels: suppression only looks within a class."""
    members = np.array([scene.analysis.members(instance) for instance in scene.found])
    if not len(members):
        return []
    same = np.argwhere(np.triu(overlaps(members, members, scene.analysis.proposals.region_areas) > SAME, 1))
    for first, second in same:
        names = scene.found[first].name, scene.found[second].name
        if names[0] != names[1]:
            return [f"The masks of {names[0]} and {names[1]} are nearly the same, so one of them is probably wrong."]
    return []


def shared(scene: Scene) -> list[str]:
    """Peaks of one class whose best proposal is the same one."""
    analysis, weights, step = scene.analysis, scene.weights, scene.step
    ends = Counter((scene.name(k), int(analysis.top(k, weights, step, 1)[0])) for k in range(len(analysis.peaks)))
    drawn = {(one.name, one.proposal) for one in scene.found}
    return [
        f"{words.in_words(count).capitalize()} peaks of class {name} end at one mask: it may hold several objects."
        for (name, proposal), count in ends.items()
        if count > 1 and (name, proposal) in drawn
    ]


def unsure(scene: Scene) -> list[str]:
    """What scores too low to be drawn or counted."""
    left = [f"{one.name} ({unit(one.score)})" for one in scene.unsure]
    if not left:
        return []
    more = [] if len(left) <= LISTED else [f"{len(left) - LISTED} more"]
    return [f"Unsure, neither drawn nor counted: {words.joined([*left[:LISTED], *more])}."]
