"""Trust on the screen: what `wsis.trust` counted, in words, and as the page gets it to rate masks while weights move.

`stage/rating.js` rates by the same rules and fills the same sentences, which it gets from `WORDS`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wsis import trust
from wsis.analysis import Analysis, Settings
from wsis.explorer.origin import Origin
from wsis.explorer.payload import Packed
from wsis.explorer.scene import Scene
from wsis.explorer.words import joined, short
from wsis.instances import Hypothesis, Instance
from wsis.provenance import Described
from wsis.trust import Rating, Trust, Unrated

WORDS: dict[str, Any] = {
    "headline": ["Fewer than 1 in 10 masks", "{n} of 10 masks", "More than 9 in 10 masks"],
    "right": "{n} like this are right",
    "cell": ["under 1 of 10", "{n} of 10", "over 9 of 10"],
    "sample": {
        "region": "{right} of {count} scoring {range} on photos it never saw",
        "object": "{right} of {count} single objects scoring {range} on photos it never saw",
        "offer": "{right} of {count} masks without a peak scoring {range} on photos it never saw",
    },
    "ranges": ["anything", "below {high}", "{low} or more", "{low} to {high}"],
    "share": "{share} of them overlap an object of their class by at least half (IoU .5). "
    "Counted on {photos} photos of {source}.",
    "none": "not rated",
    "unrated": {
        "model": "Not rated: nothing was counted for this model.",
        "settings": "Not rated: masks were counted with other settings ({what}).",
        "proposals": "Not rated: masks were counted with the built-in proposals.",
        "step": "Not rated: masks were counted at t = {step}.",
        "weights": "Not rated: these weights are far from those that were counted.",
        "class": "Not rated: its class is less likely than any that was counted.",
        "hand": "Not rated: it was made by hand.",
    },
    "alone": "Not rated: this peak has no mask of its own.",
}
"""What is said of a rating; of three, the first of almost no tenth, the last of almost all ten."""
SETTINGS = {
    "naive": "naive map", "mode": "response", "reading": "reading of Eq. 5", "sigma": "peak sigma",
    "window": "peak window", "max_peaks": "most peaks", "spread_strength": "strength of spreading",
}  # fmt: skip
"""Settings that are called otherwise than their field."""


def tenths(rating: Rating) -> int:
    """How many of ten dots are filled, 0..10; half a dot is one."""
    return (20 * rating.right + rating.count) // (2 * rating.count)


def headline(rating: Rating) -> str:
    """7 of 10 masks like this are right."""
    told: str = WORDS["right"].format(n=_of_three("headline", rating))
    return told


def cell(rated: Rating | Unrated) -> str:
    """The same in a table: 7 of 10, or `not rated`."""
    return _of_three("cell", rated) if isinstance(rated, Rating) else str(WORDS["none"])


def sample(rating: Rating, kind: Hypothesis) -> str:
    """Which masks were counted, and how many."""
    digits = 2 if rating.low >= 0.1 else 3
    scores = WORDS["ranges"][(rating.low > 0) * 2 + (rating.high < 1)]
    told: str = WORDS["sample"][kind].format(
        right=f"{rating.right:,}",
        count=f"{rating.count:,}",
        range=scores.format(low=short(rating.low, digits), high=short(rating.high, digits)),
    )
    return told


def exactly(rating: Rating, counted: Trust) -> str:
    """The exact share, what is right, and where that was counted."""
    told: str = WORDS["share"].format(share=short(rating.share), photos=f"{counted.photos:,}", source=counted.source)
    return told


def why(unrated: Unrated, counted: Trust | None) -> str:
    """Why there is no rating."""
    sentence: str = WORDS["unrated"][unrated.reason]
    return sentence.format(what=differing(unrated), step=counted.step if counted else Settings().steps)


def differing(unrated: Unrated) -> str:
    """The settings that differ, in words."""
    return joined([SETTINGS.get(name, name.replace("_", " ")) for name in unrated.what]) if unrated.what else ""


def of_scene(scene: Scene, instance: Instance, model: str | Described) -> tuple[Rating | Unrated, Trust | None]:
    """What is known of an instance on the screen, and the counts behind it."""
    counted = None if isinstance(model, str) else trust.of(model.card)
    if counted is None:
        return Unrated("model"), None
    return counted.rate(scene.analysis, instance, scene.weights, scene.step), counted


def shares(scene: Scene, instances: tuple[Instance, ...]) -> list[float | None]:
    """For each instance the share of masks like it that are right; None where it is not rated."""
    counted = trust.of(scene.origin.card) if scene.origin else None
    return trust.shares(counted, scene.analysis, instances, scene.weights, scene.step)


def packed(analysis: Analysis, origin: Origin) -> Packed:
    """A model's counts as the page gets them with an analysis.

    `unrated`: why no mask of it is rated, else null, and `what` differs; `curves` by kind of instance: `starts`,
    `right`, `counts`; `weights`, `reach` and `step` that they hold for; `least`, the probability of a class from which
    its masks were counted; `source` and `photos`.
    """
    counted = trust.of(origin.card)
    if counted is None:
        return {
            "unrated": "model", "what": "", "curves": {}, "weights": [0, 0, 0], "reach": 0, "step": 0, "least": 0,
            "source": "", "photos": 0,
        }  # fmt: skip
    unrated = counted.unrated(analysis)
    weights = counted.weights
    return {
        "unrated": unrated.reason if unrated else None,
        "what": differing(unrated) if unrated else "",
        "curves": {kind: asdict(curve) for kind, curve in counted.curves.items()},
        "weights": [weights.alpha, weights.beta, weights.gamma],
        "reach": counted.reach,
        "step": counted.step,
        "least": counted.settings["class_threshold"],
        "source": counted.source,
        "photos": counted.photos,
    }


def _of_three(name: str, rating: Rating) -> str:
    n = tenths(rating)
    few, some, most = WORDS[name]
    told: str = few if n == 0 else most if n == 10 else some.format(n=n)
    return told
