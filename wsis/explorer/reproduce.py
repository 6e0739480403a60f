"""How to make what is on the screen again, by the command line or in Python."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

from wsis.analysis import Settings
from wsis.explorer.scene import Scene
from wsis.explorer.words import AXES
from wsis.matching import PRESETS

OPTIONS = {"naive": "--naive", "mode": "--mode", "class_threshold": "--threshold"}
"""Fields of `Settings` that the command line has an option for, besides `enhancer`, `steps` and `classes`."""
NO_OPTION = ("sigma", "window", "max_peaks", "spread_strength", "agreement", "objectness", "semantic_threshold")
"""Those that it has none for."""


def command(scene: Scene, model: str) -> str:
    """The command line that makes the same instances from the same photo."""
    settings, weights = scene.analysis.settings, scene.weights
    if scene.analysis.hands:
        by_hand = ["--edits", edits_file(scene), "--out", "results"]
        return " ".join(shlex.quote(part) for part in ("python", "-m", "wsis", "segment", scene.photo, *by_hand))
    preset = preset_of(settings)
    enhancer = "none" if settings.enhancer == "spread" and not scene.step else settings.enhancer
    parts = ["python", "-m", "wsis", "segment", scene.photo or "photo", "--out", "results", "--model", model]
    parts += ["--enhancer", enhancer, *(["--steps", str(scene.step)] if enhancer.startswith("icn") else [])]
    usual = Settings()
    for name, option in OPTIONS.items():
        if getattr(settings, name) != getattr(usual, name):
            parts += [option, str(getattr(settings, name))]
    for category in settings.classes or ():
        parts += ["--class", category]
    # Without --unsure lists hold what pictures show, and no offers.
    parts += ["--fill", str(scene.fill), *(["--unsure"] if scene.fill else []), "--preset", preset]
    for axis in AXES:
        if getattr(weights, axis) != getattr(PRESETS[preset].weights, axis):
            parts += [f"--{axis}", str(getattr(weights, axis))]
    return " ".join(shlex.quote(part) for part in parts)


def snippet(scene: Scene, model: str) -> str:
    """Python that makes the same instances from the same photo."""
    if scene.analysis.hands:
        return _edited(scene, model)
    settings, weights = scene.analysis.settings, scene.weights
    usual = Settings()
    unusual = [
        f"{field.name}={getattr(settings, field.name)!r}"
        for field in fields(Settings)
        if field.name in ("enhancer", "steps") or getattr(settings, field.name) != getattr(usual, field.name)
    ]
    return (
        "from wsis import Pipeline, Settings, Weights, read\n\n"
        f"pipeline = Pipeline.load({model!r})\n"
        f"analysis = pipeline.analyse(read({scene.photo or 'photo'!r}), Settings({', '.join(unusual)}))\n"
        f"weights = Weights(alpha={weights.alpha!r}, beta={weights.beta!r}, gamma={weights.gamma!r})\n"
        f"instances = analysis.instances(weights, step={scene.step}{_filled(scene)})\n"
        f"masks = [analysis.mask(instance) for instance in instances{_kept(scene)}]"
    )


def edits_file(scene: Scene) -> str:
    """What the page calls the file of what was done by hand."""
    return f"{Path(scene.photo).stem or 'photo'}-edits.json"


def _edited(scene: Scene, model: str) -> str:
    return (
        "from pathlib import Path\n\n"
        "from wsis import Pipeline, Weights, edits, read, replay\n\n"
        f"file = edits.read(Path({edits_file(scene)!r}).read_bytes())\n"
        f"pipeline = Pipeline.load({model!r})\n"
        f"analysis = replay.of_file(pipeline, pipeline.observe(read({scene.photo or 'photo'!r})), file)\n"
        f"instances = analysis.instances(Weights(*file.made.weights), step=file.made.step{_filled(scene)})\n"
        f"masks = [analysis.mask(instance) for instance in instances{_kept(scene)}]"
    )


def _filled(scene: Scene) -> str:
    return f", fill={scene.fill}" if scene.fill else ""


def _kept(scene: Scene) -> str:
    return "" if scene.fill else " if instance.painted"


def left_out(scene: Scene) -> list[str]:
    """What differs from the usual and the command line has no option for; a file of edits brings its settings along."""
    if scene.analysis.hands:
        return ["fill"] if scene.fill else []
    settings, usual = scene.analysis.settings, Settings()
    return [name.replace("_", " ") for name in NO_OPTION if getattr(settings, name) != getattr(usual, name)]


def preset_of(settings: Settings) -> str:
    """The preset that has the reading in use."""
    return next(name for name, preset in PRESETS.items() if preset.reading == settings.reading)
