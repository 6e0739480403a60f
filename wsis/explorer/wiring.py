"""Events to handlers. The stage's component is the one wire between the page's scripts and Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from wsis.explorer.handlers import Handlers
from wsis.explorer.networks import BUILT_IN
from wsis.explorer.origin import Key, Origin
from wsis.explorer.payload import Packed
from wsis.explorer.scene import Scene
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.tabs import plots
from wsis.explorer.tabs.tune import Tab
from wsis.explorer.visit import Now

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
PROPOSALS = "Proposals: built-in, or drop a file (.mat, .json, .png)"
Update = dict[Any, Any]
"""What an event changes: the value that each component gets; the others stay as they are."""


@dataclass(frozen=True)
class Plot:
    """A plotly figure and the words that say the same."""

    figure: gr.Plot
    words: gr.HTML


@dataclass(frozen=True)
class Screen:
    """The components that events read or change.

    Attributes:
        stage: what brings the page's events and takes the messages.
        controls: the advanced settings, by the fields of `visit.Controls`.
        file: of proposals.
        made: where a download is fetched from.
        landscape, sensitivity: the tabs that Python draws.
        tune: the tab *Tune on a data set*.
        cards: tabs that say something of the model, and what draws them.
        carded: which model each of them shows, by the page.
    """

    stage: gr.HTML
    controls: dict[str, gr.components.Component]
    file: gr.File
    made: gr.DownloadButton
    landscape: Plot
    sensitivity: Plot
    tune: Tab
    cards: Mapping[str, tuple[gr.HTML, Callable[[Origin], str]]]
    carded: gr.State

    @property
    def settings(self) -> list[gr.components.Component]:
        """What `visit.Controls` is made of, in its order."""
        return [*self.controls.values(), self.file]

    @property
    def drawn(self) -> list[gr.components.Component]:
        """What is drawn for the tab that is open."""
        plots_of = (self.landscape, self.sensitivity)
        cards = (card for card, _ in self.cards.values())
        return [*(part for plot in plots_of for part in (plot.figure, plot.words)), *self.tune.outputs, *cards]


def wire(page: gr.Blocks, handlers: Handlers, screen: Screen) -> None:
    """Say what each event calls and what it changes."""
    desk, stage = handlers.desk, screen.stage

    def settled(state: Any, carded: dict[str, Key], event: gr.EventData, request: gr.Request) -> Update:
        """What only Python draws, for the tab that is open."""
        now, scene, message = handlers.settle(event, request)
        drawn = {**draw(screen, state, now, scene), **card(screen, carded, now, scene)} if now and scene else {}
        return {stage: message, **drawn}

    def looked(event: gr.EventData, request: gr.Request, *controls: Any) -> Update:
        """The answer, and the controls as they stand for the analysis that it brings."""
        message = handlers.look(event, request, *controls)
        return {stage: message, **standing(screen, message, controls)}

    def opened(state: Any, event: gr.EventData, request: gr.Request, *controls: Any) -> Update:
        """A photo of the data set, opened in the explorer."""
        message = handlers.tuned(partial(screen.tune.photo, state), screen.tune.model(state), event, request, *controls)
        return {stage: message, **standing(screen, message, controls)}

    def turned_away(error: RefusedError, event: gr.EventData | None = None, *_: Any) -> Update:
        return {stage: handlers.refused(error, event)}

    def turned_away_quietly(error: RefusedError, *_: Any) -> Update:
        return {stage: handlers.refused(error)}

    # The desk lets them wait, not Gradio, which knows no visitors. Of two at once it would send the first again in the
    # place of the second, unless it may send both; the page asks for its next as soon as it has an answer, which may be
    # before Gradio calls the one before complete.
    event = {**PRIVATE, "trigger_mode": "multiple", "concurrency_limit": None}
    heavy = {**event, "outputs": [stage, *screen.settings], "show_progress": "full", "show_progress_on": stage}
    light = {**event, "show_progress": "hidden"}
    look = desk.heavy(handlers.act, looked, refused=turned_away, ready=handlers.ready)
    stage.edit(look, screen.settings, **heavy).failure(None, js="() => wsis.failed()", **PRIVATE)
    stage.select(desk.light("ask", handlers.ask, refused=handlers.refused), None, stage, **light)
    settle = desk.light("settle", settled, refused=turned_away_quietly)
    stage.release(settle, [screen.tune.state, screen.carded], [stage, *screen.drawn], **light)
    file_made = stage.download(desk.light("download", handlers.download), None, screen.made, **light)
    file_made.success(None, js="() => wsis.saveFile()", **PRIVATE)
    for control in screen.controls.values():
        changed = control.release if isinstance(control, gr.Slider) else control.input
        changed(None, js="() => wsis.look('adjust')", **PRIVATE)
    file = screen.file
    gr.on([file.upload, file.clear], None, js="() => wsis.look('proposals', {}, 'Reading proposals')", **PRIVATE)
    tuned = desk.heavy("tuned", opened, refused=turned_away_quietly)
    screen.tune.opener.select(tuned, [screen.tune.state, *screen.settings], **heavy)
    page.load(None, js="() => wsis.open()", **PRIVATE)
    page.unload(desk.closing(handlers.closed))


def draw(screen: Screen, state: Any, now: Now, scene: Scene) -> Update:
    """The open tab, where it is one that Python draws."""
    if now.tab == "landscape":
        plot = screen.landscape
        return {plot.figure: plots.landscape(scene, now.dark), plot.words: plots.landscape_table(scene)}
    if now.tab == "sensitivity":
        plot = screen.sensitivity
        return {
            plot.figure: plots.sensitivity_figure(scene, *now.axes, now.dark),
            plot.words: plots.sensitivity_words(scene, *now.axes),
        }
    if now.tab == "tune":
        return screen.tune.moved(state, now.weights, now.step, now.reading, scene.origin)
    return {}


def card(screen: Screen, carded: dict[str, Key], now: Now, scene: Scene) -> Update:
    """The open tab, where it says something of the model and shows another one so far."""
    shown, origin = screen.cards.get(now.tab), scene.origin
    if shown is None or origin is None or carded.get(now.tab) == origin.key:
        return {}
    carded[now.tab] = origin.key
    component, html = shown
    return {component: html(origin)}


def standing(screen: Screen, message: Packed, given: tuple) -> Update:
    """The controls and the proposals file, as the analysis on the screen has them; what they show already stays."""
    *values, file = given
    settings, photo = message.get("settings"), message.get("photo")
    changes: Update = {}
    if settings:
        shown = zip(screen.controls.items(), values, strict=True)
        changes = {control: settings[name] for (name, control), value in shown if settings[name] != value}
    if photo:
        built_in = photo["source"] == BUILT_IN
        label = PROPOSALS if built_in else f"Proposals: from {photo['source']}; another file, or clear for the built-in"
        changes[screen.file] = gr.update(label=label, **({"value": None} if built_in and file else {}))
    return changes
