"""One self-contained HTML page about what is on the screen, for people who were not in the room.

Pictures are `data:` URLs, styles are inline, there is no script and no request: the page opens from a mail, and prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from wsis import provenance, render
from wsis.explorer import doubts, faithful, firmness, markup, pictures, rated, reproduce, sensitivity, theme, words
from wsis.explorer.scene import Scene
from wsis.explorer.words import PAIRS, short, unit, weight
from wsis.image import resized
from wsis.instances import Instance
from wsis.matching import LEAST_RATE, PRESETS
from wsis.provenance import Described
from wsis.trust import Unrated

SHOWN = 8
"""At most so many instances are shown step by step, so that the page stays below 1.5 MB; the table has all."""
PHOTO_SIZE = 1200
PANEL_HEIGHT = 150
CLASSES = 8
"""How many classes are listed with what the classifier thinks of them."""
LIMITS = (
    "Only what the classifier knows is found, and instances of one class that touch are often found as one.",
    "Masks are a guess with a score: do not let them decide about people.",
)
"""What is said where a model's card names no limits."""


@dataclass(frozen=True)
class Options:
    """What a report says beside what follows from the scene.

    Attributes:
        when: date of the report.
        device: what the networks ran on.
    """

    when: date = field(default_factory=date.today)
    device: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it.

    Attributes:
        source: `data:` URL.
        alt: what it shows, in few words.
        width: in pixels.
        height: in pixels.
        note: what stands below it beside `alt`.
    """

    source: str
    alt: str
    width: int
    height: int
    note: str = ""

    @property
    def ratio(self) -> str:
        """Width by height."""
        return f"{self.width / self.height:.4g}"


def html(scene: Scene, model: str | Described, options: Options | None = None) -> str:
    """The page.

    Args:
        scene: what is on the screen; it may be empty.
        model: its name, or the checkpoint, which adds the SHA-256 of its networks and the limits in its card.
        options: date and device; None takes today's date.
    """
    options = options or Options()
    name = model if isinstance(model, str) else model.name
    height, width = scene.analysis.evidence.size
    about = [f"{options.when:%d %B %Y}".lstrip("0"), f"model {name}", options.device, f"{width} x {height} pixels"]
    page = markup.render(
        "report.html",
        light=Markup(theme.declarations(dark=False)),
        dark=Markup(theme.declarations(dark=True)),
        title=scene.photo,
        about=[part for part in about if part],
        photo=_photo(scene),
        lead=told(scene).partition(". ")[0] + ".",
        found=" ".join([told(scene).partition(". ")[2], *offered(scene)]),
        doubts=doubts.sentences(scene),
        terms=words.terms(scene.analysis.settings.reading),
        instances=[_row(scene, instance, model) for instance in scene.found],
        **_weights(scene),
        strips=[_strip(scene, instance, model) for instance in scene.found[:SHOWN]],
        planes=_planes(scene),
        followed=faithful.asked(scene),
        **_scores(scene),
        limits=limits(model),
        made=_made(scene, model),
        command=reproduce.command(scene, name),
        snippet=reproduce.snippet(scene, name),
        left_out=reproduce.left_out(scene),
    )
    return str(page)  # a page of its own, not a piece that another one shows as it is


def told(scene: Scene) -> str:
    """What was found, in plain sentences, as text."""
    settings = scene.analysis.settings
    if scene.empty:
        maps = scene.analysis.evidence.class_maps
        likeliest = int(maps.scores.argmax())
        return (
            "Nothing was found: no class that was looked for has a peak. The likeliest class is "
            f"{maps.classes[likeliest]} ({unit(float(maps.scores[likeliest]))}); the threshold is "
            f"{unit(settings.class_threshold)}."
        )
    count = len(scene.found)
    numbers = Counter(instance.name for instance in scene.found)
    listed = words.joined(
        [
            words.with_article(name) if number == 1 else f"{words.in_words(number)} of class {name}"
            for name, number in numbers.items()
        ]
    )
    surest = scene.found[0]
    by_hand = sum(instance.by_hand for instance in scene.found)
    who = f"{words.in_words(by_hand).capitalize()} of them by hand; of the others" if by_hand else (
        "Nothing was drawn by hand on this photo:"
    )  # fmt: skip
    how = (
        f"{who} a classifier that only knows what is in a photo showed where it "
        f"looks, its maps were {'matched as they are' if not scene.step else 'grown over the objects'}, and the "
        f"best of {len(scene.analysis.proposals):,} proposed outlines was taken for each."
    )
    return (
        f"{words.in_words(count).capitalize()} instance{'' if count == 1 else 's'} found: {listed}. The surest is "
        f"{words.with_article(surest.name)} with a score of {unit(surest.score)}, covering {_share(scene, surest):.0%} "
        f"of the photo. {how}"
    )


def offered(scene: Scene) -> list[str]:
    """A sentence about what fills up the list, where anything does."""
    count = len(scene.offered)
    if not count:
        return []
    names = words.joined(list(dict.fromkeys(one.name for one in scene.offered)))
    return [
        f"To fill the list up to {scene.fill} masks, {words.in_words(count)} more "
        f"{'stands' if count == 1 else 'stand'} among the unsure, of class {names}: likely objects that no peak was "
        "found on, in no picture and not counted here."
    ]


def limits(model: str | Described) -> tuple[str, ...]:
    """What the model cannot do: the points under "Limits" in its card, else `LIMITS`."""
    text = "" if isinstance(model, str) else str(model.card.get("text", ""))
    _, _, section = text.partition("\n## Limits\n")
    points = [line[2:].strip() for line in section.partition("\n## ")[0].splitlines() if line.startswith("- ")]
    return tuple(points) or LIMITS


def _photo(scene: Scene) -> Picture:
    """The photo with its instances; drawn small, for a large photo would only be shrunk again."""
    image = resized(scene.analysis.evidence.image, PHOTO_SIZE)
    instances, size = scene.found, (image.shape[1], image.shape[0])
    masks = np.zeros((len(instances), *image.shape[:2]), bool)
    for small, mask in zip(masks, scene.analysis.masks(instances), strict=True):
        small[:] = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
    labels = [f"{_name(instance)} {unit(instance.score)}" for instance in instances]
    colours = [render.colour(instance.peak) for instance in instances]
    drawn = render.over_instances(image, masks, labels, colours)
    return _picture(pictures.jpeg(drawn, 85), drawn, f"{scene.photo} with {len(instances)} instances")


def _row(scene: Scene, instance: Instance, model: str | Described) -> dict[str, Any]:
    """An instance's line of the table."""
    terms = scene.analysis.terms_of(instance, scene.step)[instance.proposal]
    return {
        "colour": pictures.colour(instance.peak),
        "name": _name(instance),
        "score": short(round(instance.score, 3)),
        "terms": [short(float(terms[term.index]), 2) for term in words.terms(scene.analysis.settings.reading)],
        "area": f"{_share(scene, instance):.1%}",
        "trust": rated.cell(rated.of_scene(scene, instance, model)[0]),
        "reason": firmness.reason(scene, instance),
    }


def _weights(scene: Scene) -> dict[str, Any]:
    """The weights, and which preset they belong to."""
    settings, weights = scene.analysis.settings, scene.weights
    preset = PRESETS[reproduce.preset_of(settings)]
    return {
        "weights": [f"{value:g}" for value in (weights.alpha, weights.beta, weights.gamma)],
        "preset": preset,
        "published": weights == preset.weights,
        "enhancer": settings.enhancer,
        "step": scene.step,
        "whole": settings.objectness and scene.analysis.evidence.objectness is not None,
        "least_rate": "" if scene.analysis.rates(settings.reading) is None else unit(LEAST_RATE),
    }


def _strip(scene: Scene, instance: Instance, model: str | Described) -> dict[str, Any]:
    """How an instance came about, how often masks like it are right, and how firm its choice is."""
    panels = render.panels(scene.analysis, instance, PANEL_HEIGHT, scene.step)
    plane = sensitivity.plane(scene, instance=instance)
    return {
        "colour": pictures.colour(instance.peak),
        "name": _name(instance),
        "score": unit(instance.score),
        "columns": -(-len(panels) // 2),
        "panels": [_panel(panel) for panel in panels],
        "trust": _trust(scene, instance, model),
        "plane": sensitivity.svg(plane, instance.peak, 110),
        "share": f"{plane.share:.0%}",
        "summary": sensitivity.summary(scene, "alpha", "gamma", instance),
    }


def _trust(scene: Scene, instance: Instance, model: str | Described) -> tuple[str, str]:
    """How often masks like an instance are right, and what that was counted on; or why it is not rated."""
    found, counted = rated.of_scene(scene, instance, model)
    if isinstance(found, Unrated) or counted is None:
        return rated.why(found, counted) if isinstance(found, Unrated) else "", ""
    more = f"{rated.sample(found, instance.hypothesis)}. {rated.exactly(found, counted)}"
    return f"{rated.headline(found)}.", more


def _planes(scene: Scene) -> dict[str, Any] | None:
    """The sensitivity of the picked peak over all three pairs of weights."""
    if scene.empty:
        return None
    each = []
    for x, y in PAIRS.values():
        plane = sensitivity.plane(scene, x, y)
        end, top = (weight(limit, limit) for limit in plane.span)
        each.append(
            {
                "plane": sensitivity.svg(plane, scene.peak, 240),
                "along": sensitivity.axis_title(scene, plane.x),
                "up": sensitivity.axis_title(scene, plane.y),
                "end": end,
                "top": top,
                "summary": sensitivity.summary(scene, x, y),
            }
        )
    return {"name": scene.name(scene.peak), "each": each}


def _scores(scene: Scene) -> dict[str, Any]:
    """What the classifier thinks of its classes, the likeliest first."""
    maps, settings = scene.analysis.evidence.class_maps, scene.analysis.settings
    likeliest = np.argsort(-maps.scores, kind="stable")[:CLASSES]
    return {
        "scores": [{"name": maps.classes[c], "score": float(maps.scores[c])} for c in likeliest],
        "known": len(maps.classes),
        "looked_for": f"Classes from {unit(settings.class_threshold)} on were looked for."
        if settings.classes is None
        else f"Looked for by hand: {', '.join(settings.classes) or 'none'}.",
    }


def _made(scene: Scene, model: str | Described) -> list[tuple[str, list[tuple[str, object]]]]:
    """Settings, seconds, versions and networks, each a small table."""
    seconds = scene.analysis.seconds
    modules = {} if isinstance(model, str) else model.card.get("modules", {})
    settings = [(key.replace("_", " "), "by score" if value is None else value) for key, value in _settings(scene)]
    spent = [(words.STAGES.get(stage, stage), f"{value:.2f}") for stage, value in seconds.items()]
    return [
        ("Settings", settings),
        ("Seconds", [*spent, ("together", f"{sum(seconds.values()):.2f}")]),
        ("Versions", list(provenance.versions().items())),
        ("Networks (SHA-256)", [(key, entry.get("sha256", "unknown")) for key, entry in modules.items()]),
    ]


def _settings(scene: Scene) -> Iterable[tuple[str, object]]:
    chosen = {key: value for key, value in asdict(scene.analysis.settings).items() if value != ()}
    classes = chosen.get("classes")
    if classes:
        chosen["classes"] = ", ".join(classes)
    return {**chosen, "fill": scene.fill, "proposals": scene.analysis.proposals.source}.items()


def _panel(panel: render.Panel) -> Picture:
    source = pictures.png(panel.image[..., 0]) if panel.kind == "mask" else pictures.jpeg(panel.image, 80)
    return _picture(source, panel.image, panel.title, panel.note)


def _picture(source: str, pixels: np.ndarray, alt: str, note: str = "") -> Picture:
    return Picture(source, alt, pixels.shape[1], pixels.shape[0], note)


def _share(scene: Scene, instance: Instance) -> float:
    """Part of the photo that an instance covers."""
    return float(scene.analysis.work_mask(instance).mean())


def _name(instance: Instance) -> str:
    """Its class, and whether it is by hand."""
    return f"{instance.name}, by hand" if instance.by_hand else instance.name
