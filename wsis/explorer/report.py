"""One self-contained HTML page about what is on the screen, for people who were not in the room.

Pictures are `data:` URLs, styles are inline, there is no script and no request: the page opens from a mail, and prints.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from wsis import export, render
from wsis.checkpoints import Checkpoint
from wsis.explorer import firmness, pictures
from wsis.explorer.firmness import AXES
from wsis.explorer.scene import Scene
from wsis.explorer.tabs import plots
from wsis.explorer.theme import COLOURS
from wsis.explorer.words import MEANING, SYMBOLS, TERMS, short, unit, weight
from wsis.image import resized
from wsis.instances import Instance
from wsis.matching import PRESETS
from wsis.pipeline import Settings

TEMPLATE = Path(__file__).with_name("report.html")
SHOWN = 8
"""At most so many instances are shown step by step, so that the page stays below 1.5 MB; the table has all."""
PHOTO_SIZE = 1200
PANEL_HEIGHT = 150
SAME = 0.7
"""Two masks whose intersection over union is above this are nearly the same."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
STAGES = {
    "classes": "class maps", "contours": "contours", "proposals": "proposals", "objectness": "objectness",
    "peaks": "peaks", "enhance": "growing the maps", "match": "measuring every proposal",
}  # fmt: skip
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


def html(scene: Scene, model: str | Checkpoint, options: Options | None = None) -> str:
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
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        light=_variables(0),
        dark=_variables(1),
        title=escape(scene.photo),
        about=" · ".join(escape(part) for part in about if part),
        photo=_photo(scene),
        found=escape(told(scene)),
        instances=_table(scene),
        weights=_weights(scene),
        steps=_steps(scene),
        planes=_planes(scene),
        scores=_scores(scene),
        made=_made(scene, model),
        limits="".join(f"<li>{escape(limit)}</li>" for limit in limits(model)),
        command=escape(command(scene, name)),
        snippet=escape(snippet(scene, name)),
        left_out=_left_out(scene.analysis.settings),
    )


def told(scene: Scene) -> str:
    """What was found, in plain sentences, as text."""
    settings = scene.analysis.settings
    if scene.empty:
        maps = scene.analysis.evidence.class_maps
        best = int(maps.scores.argmax())
        return (
            f"Nothing was found: no class that was looked for has a peak. The likeliest class is {maps.classes[best]} "
            f"({unit(float(maps.scores[best]))}); the threshold is {unit(settings.class_threshold)}."
        )
    count = len(scene.found)
    kinds = Counter(one.name for one in scene.found)
    parts = [
        _article(kind) if number == 1 else f"{_in_words(number)} of class {kind}" for kind, number in kinds.items()
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    best_one = scene.found[0]
    share = _share(scene, best_one)
    how = (
        "Nothing was drawn by hand on this photo: a classifier that only knows what is in a photo showed where it "
        f"looks, its maps were {'matched as they are' if not scene.step else 'grown over the objects'}, and the "
        f"best of {len(scene.analysis.proposals):,} proposed outlines was taken for each."
    )
    return (
        f"{_in_words(count).capitalize()} instance{'' if count == 1 else 's'} found: {listed}. The surest is "
        f"{_article(best_one.name)} with a score of {unit(best_one.score)}, covering {share:.0%} of the photo. "
        f"{_doubts(scene)}{how}"
    )


def command(scene: Scene, model: str) -> str:
    """The command line that makes the same instances from the same photo."""
    settings, weights = scene.analysis.settings, scene.weights
    preset = _preset(settings)
    enhancer = "none" if settings.enhancer == "spread" and not scene.step else settings.enhancer
    parts = ["python", "-m", "wsis", "segment", scene.photo or "photo", "--out", "results", "--model", model]
    parts += ["--enhancer", enhancer, *(["--steps", str(scene.step)] if enhancer.startswith("icn") else [])]
    usual = Settings()
    for option, key in (("--naive", "naive"), ("--mode", "mode"), ("--threshold", "class_threshold")):
        if getattr(settings, key) != getattr(usual, key):
            parts += [option, str(getattr(settings, key))]
    for chosen in settings.classes or ():
        parts += ["--class", chosen]
    parts += ["--preset", preset]
    for axis in AXES:
        if getattr(weights, axis) != getattr(PRESETS[preset].weights, axis):
            parts += [f"--{axis}", str(getattr(weights, axis))]
    return " ".join(shlex.quote(part) for part in parts)


def snippet(scene: Scene, model: str) -> str:
    """Python that makes the same instances from the same photo."""
    settings, weights = scene.analysis.settings, scene.weights
    usual = Settings()
    own = [
        f"{one.name}={getattr(settings, one.name)!r}"
        for one in fields(Settings)
        if one.name in ("enhancer", "steps") or getattr(settings, one.name) != getattr(usual, one.name)
    ]
    return (
        "from wsis import image\n"
        "from wsis.matching import Weights\n"
        "from wsis.pipeline import Pipeline, Settings\n\n"
        f"pipeline = Pipeline.load({model!r})\n"
        f"analysis = pipeline.analyse(image.read({scene.photo or 'photo'!r}), Settings({', '.join(own)}))\n"
        f"weights = Weights(alpha={weights.alpha!r}, beta={weights.beta!r}, gamma={weights.gamma!r})\n"
        f"instances = analysis.instances(weights, step={scene.step})\n"
        "masks = [analysis.mask(instance) for instance in instances]"
    )


def limits(model: str | Checkpoint) -> tuple[str, ...]:
    """What the model cannot do: the points under "Limits" in its card, else `LIMITS`."""
    text = "" if isinstance(model, str) else str(model.card.get("text", ""))
    _, _, section = text.partition("\n## Limits\n")
    points = [line[2:].strip() for line in section.partition("\n## ")[0].splitlines() if line.startswith("- ")]
    return tuple(points) or LIMITS


def strip_png(scene: Scene) -> bytes:
    """How every instance came about, one row each, as a PNG; see `render.sheet`."""
    return export.rgb_png(render.sheet(scene.analysis, scene.found, step=scene.step))


def _doubts(scene: Scene) -> str:
    """A warning where two classes claim the same pixels: suppression only looks within a class."""
    indices = [one.proposal for one in scene.found]
    same = np.argwhere(np.triu(scene.analysis.proposals.iou(indices, indices) > SAME, 1))
    for first, second in same:
        names = scene.found[first].name, scene.found[second].name
        if names[0] != names[1]:
            return f"The masks of {names[0]} and {names[1]} are nearly the same, so one of them is probably wrong. "
    return ""


def _photo(scene: Scene) -> str:
    """The photo with its instances; drawn small, for a large photo would only be shrunk again."""
    image = resized(scene.analysis.evidence.image, PHOTO_SIZE)
    best, proposals = list(scene.found), scene.analysis.evidence.source
    masks = proposals.masks([one.proposal for one in best], image.shape[:2])
    labels = [f"{one.name} {unit(one.score)}" for one in best]
    seen = render.over_instances(image, masks, labels, [render.colour(one.peak) for one in best])
    shown = _image(pictures.jpeg(seen, 85), f"{scene.photo} with {len(best)} instances", seen)
    return f'<div style="--ratio:{seen.shape[1] / seen.shape[0]:.4g}">{shown}</div>'


def _table(scene: Scene) -> str:
    if scene.empty:
        return ""
    names = [name for name, _ in MEANING[scene.analysis.settings.reading]]
    used = [
        (i, key, symbol) for i, (key, symbol) in enumerate(zip(TERMS, SYMBOLS, strict=True)) if names[i] != "unused"
    ]
    head = "".join(f'<th scope="col"><span class="{key}">{symbol}</span> {names[i]}</th>' for i, key, symbol in used)
    rows = []
    for one in scene.found:
        terms = scene.analysis.terms[scene.step, one.peak, one.proposal]
        cells = "".join(f"<td>{short(float(terms[i]), 2)}</td>" for i, *_ in used)
        rows.append(
            f'<tr><th scope="row">{_dot(one)}{escape(one.name)}</th><td>{short(round(one.score, 3))}</td>{cells}'
            f"<td>{_share(scene, one):.1%}</td><td>{escape(firmness.reason(scene, one))}</td></tr>"
        )
    return (
        f'<div class="scroll"><table class="found"><thead><tr><th scope="col">class</th><th scope="col">score</th>'
        f'{head}<th scope="col">area</th><th scope="col">decided by</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="note">Score: probability of the class times how well map and mask agree, at most 1. Terms are those '
        "of the chosen proposal, before weighting. The runner-up is the best other that can win at some weights.</p>"
    )


def _weights(scene: Scene) -> str:
    """The formula, and each weight with what it asks for."""
    settings = scene.analysis.settings
    preset = PRESETS[_preset(settings)]
    values = (scene.weights.alpha, scene.weights.beta, scene.weights.gamma)
    used = [
        (key, symbol, name, meaning, value)
        for key, symbol, (name, meaning), value in zip(TERMS, SYMBOLS, MEANING[settings.reading], values, strict=True)
        if name != "unused"
    ]
    formula = " + ".join(f'<b class="{key}">{symbol}</b>·{name}' for key, symbol, name, _, _ in used)
    rows = "".join(
        f'<tr><th scope="row"><b class="{key}">{symbol}</b> {name}</th><td><b>{value:g}</b></td><td>{meaning}</td></tr>'
        for key, symbol, name, meaning, value in used
    )
    own = "" if scene.weights == preset.weights else ", with weights of your own"
    return (
        f'<p class="formula">S(P) = {formula}</p><div class="scroll"><table><tbody>{rows}</tbody></table></div>'
        f'<p class="note">Reading of Eq. 5: {escape(preset.title)}{own}. {escape(preset.formula)}. '
        f"{escape(preset.note)} Maps: {escape(settings.enhancer)}, matched at step t = {scene.step}.</p>"
    )


def _steps(scene: Scene) -> str:
    """For each instance its strip, and how firm its choice is."""
    shown = scene.found[:SHOWN]
    parts = [_instance(scene, one, number) for number, one in enumerate(shown, 1)]
    if len(scene.found) > len(shown):
        parts.append(f'<p class="note">The {len(shown)} best of {len(scene.found)} instances; the table has all.</p>')
    return "".join(parts)


def _instance(scene: Scene, one: Instance, number: int) -> str:
    shown = render.panels(scene.analysis, one, PANEL_HEIGHT, scene.step)
    figures = "".join(
        f"<figure>{_panel(panel)}<figcaption><b>{escape(panel.title)}</b> {escape(panel.note)}</figcaption></figure>"
        for panel in shown
    )
    own = replace(scene, chosen_peak=one.peak)
    seen = plots.plane(own)
    return (
        f'<article><h3>{_dot(one)}{number}. {escape(one.name)} <span class="quiet">{unit(one.score)}</span></h3>'
        f'<div class="strip" style="--columns:{-(-len(shown) // 2)}">{figures}</div>'
        f'<div class="firm">{plots.plane_svg(seen, one.peak, 110)}'
        f"<p><b>How firm is this choice?</b> It wins {seen.share:.0%} of the plane of α (to the right) and γ "
        "(upwards). "
        f"{escape(plots.sensitivity_summary(own, 'alpha', 'gamma'))}</p></div></article>"
    )


def _planes(scene: Scene) -> str:
    """The sensitivity of the picked peak over all three pairs of weights."""
    if scene.empty:
        return ""
    figures = []
    for x, y in (("alpha", "gamma"), ("alpha", "beta"), ("beta", "gamma")):
        seen = plots.plane(scene, x, y)
        right, top = (weight(limit, limit) for limit in seen.span)
        figures.append(
            f'<figure class="axes"><span class="top">{top}</span><span class="up">'
            f"{plots.axis_title(scene, seen.y)}</span>"
            f'{plots.plane_svg(seen, scene.peak, 240)}<span class="zero">0</span>'
            f'<span class="along">{plots.axis_title(scene, seen.x)}</span><span class="end">{right}</span>'
            f"<figcaption>{escape(plots.sensitivity_summary(scene, x, y))}</figcaption></figure>"
        )
    name = escape(scene.name(scene.peak))
    return (
        f'<section><h2>Which proposal wins where: {name}</h2><p class="note">Each colour is one '
        "proposal, its number the present rank. The ring is where the weights stand, the dashed line leads "
        "to the nearest change.</p>"
        f'<div class="planes">{"".join(figures)}</div></section>'
    )


def _scores(scene: Scene) -> str:
    """What the classifier thinks of its classes, the likeliest first."""
    maps, settings = scene.analysis.evidence.class_maps, scene.analysis.settings
    rows = "".join(
        f'<tr><th scope="row">{escape(maps.classes[c])}</th><td>{unit(float(maps.scores[c]))}</td>'
        f'<td class="bar"><u style="width:{float(maps.scores[c]):.1%}"></u></td></tr>'
        for c in np.argsort(-maps.scores, kind="stable")[:8]
    )
    said = (
        f"Classes from {unit(settings.class_threshold)} on were looked for."
        if settings.classes is None
        else f"Looked for by hand: {', '.join(settings.classes) or 'none'}."
    )
    return (
        f'<div class="scroll"><table class="bars"><tbody>{rows}</tbody></table></div>'
        f'<p class="note">{len(maps.classes)} classes are known. {escape(said)}</p>'
    )


def _made(scene: Scene, model: str | Checkpoint) -> str:
    """Settings, seconds, versions and networks, each a small table."""
    seconds = scene.analysis.seconds
    files = {} if isinstance(model, str) else model.card.get("modules", {})
    settings = [(key.replace("_", " "), "by score" if value is None else value) for key, value in _settings(scene)]
    spent = [(STAGES.get(stage, stage), f"{value:.2f}") for stage, value in seconds.items()]
    groups: tuple[tuple[str, Iterable[tuple[str, object]]], ...] = (
        ("Settings", settings),
        ("Seconds", [*spent, ("together", f"{sum(seconds.values()):.2f}")]),
        ("Versions", export.versions().items()),
        ("Networks (SHA-256)", [(key, entry.get("sha256", "unknown")) for key, entry in files.items()]),
    )
    return "".join(_pairs(title, pairs) for title, pairs in groups)


def _settings(scene: Scene) -> Iterable[tuple[str, object]]:
    chosen = {key: value for key, value in asdict(scene.analysis.settings).items() if value != ()}
    classes = chosen.get("classes")
    if classes:
        chosen["classes"] = ", ".join(classes)
    return {**chosen, "proposals": scene.analysis.proposals.source}.items()


def _pairs(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    rows = "".join(f'<tr><th scope="row">{escape(key)}</th><td>{escape(str(value))}</td></tr>' for key, value in pairs)
    return f"<div><h3>{title}</h3><table><tbody>{rows}</tbody></table></div>" if rows else ""


def _left_out(settings: Settings) -> str:
    """What the command line has no option for, where it differs from the usual."""
    usual = Settings()
    own = [
        key.replace("_", " ")
        for key in ("sigma", "window", "max_peaks", "spread_strength", "agreement", "objectness", "semantic_threshold")
        if getattr(settings, key) != getattr(usual, key)
    ]
    return f'<p class="note">The command line cannot set {", ".join(own)}; take the Python lines.</p>' if own else ""


def _preset(settings: Settings) -> str:
    """The preset that has the reading in use."""
    return next(name for name, preset in PRESETS.items() if preset.reading == settings.reading)


def _panel(panel: render.Panel) -> str:
    black_and_white = panel.title == "V"
    source = pictures.png(panel.image[..., 0]) if black_and_white else pictures.jpeg(panel.image, 80)
    return _image(source, panel.title, panel.image)


def _image(source: str, alt: str, pixels: np.ndarray) -> str:
    return f'<img src="{source}" alt="{escape(alt)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}">'


def _dot(one: Instance) -> str:
    return f'<i style="background:{pictures.colour(one.peak)}"></i>'


def _share(scene: Scene, one: Instance) -> float:
    proposals = scene.analysis.proposals
    return float(proposals.areas[one.proposal] / proposals.labels.size)


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _in_words(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _variables(theme: int) -> str:
    return "".join(f"--{name}:{pair[theme]};" for name, pair in COLOURS.items())
