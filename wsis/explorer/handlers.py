"""What happens on a click: fetch the analysis, ask the core, answer the page with a message. No maths here.

The page (`stage/session.js`) says what it shows with every event (`Now`) and gets messages back: `glance`, `analysis`,
`peak`, `other`, `settled`, `shared`, `stale`, `notice`, `busy`, `gone`, `idle`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch

from wsis.errors import WsisError
from wsis.explorer import payload, uploads
from wsis.explorer.accelerator import lane
from wsis.explorer.desk import Desk
from wsis.explorer.files import Folder
from wsis.explorer.payload import Message
from wsis.explorer.scene import BEST, Scene
from wsis.explorer.store import Entry, GoneError, Store
from wsis.explorer.turns import RefusedError
from wsis.explorer.watch import watched
from wsis.image import MAX_PIXELS, read
from wsis.matching import PRESETS, PUBLISHED, READINGS, Weights
from wsis.pipeline import Analysis, Enhancer, Pipeline, Settings
from wsis.proposals import readers

MAX_STEPS = 4
AXES = ("alpha", "beta", "gamma")
START = Settings(steps=MAX_STEPS)
"""How a photo is looked at unless a control says otherwise."""


@dataclass(frozen=True)
class Now:
    """Where a visitor stands, as the page says it.

    Attributes:
        token: of the analysis in the store; None before the first.
        other: of the analysis on the other side of the swipe, if there is one.
        peak: the picked peak.
        step: which map is looked at and matched, 0..T.
        preset: name of the published preset that the weights started from.
        reading: of Eq. 5.
        weights: alpha, beta, gamma.
        enhancer: what grows the maps.
        compare: what the left of the swipe shows: `naive` or an enhancer.
        tab: the open tab below the stage.
        axes: the two weights of the sensitivity plot.
        dark: whether the page is dark.
    """

    token: str | None = None
    other: str | None = None
    peak: int = BEST
    step: int = Settings.steps
    preset: str = "paper"
    reading: str = "cover"
    weights: Weights = PUBLISHED
    enhancer: str = Settings.enhancer
    compare: str = "naive"
    tab: str = "instances"
    axes: tuple[str, str] = ("alpha", "gamma")
    dark: bool = False

    @classmethod
    def of(cls, said: Any) -> Now:
        """Read what the page says; anybody can send anything here.

        Raises:
            WsisError: it makes no sense.
        """
        try:
            first, second = (AXES[int(axis)] for axis in said["axes"])
            return cls(
                token=None if said["token"] is None else str(said["token"]),
                other=None if said["other"] is None else str(said["other"]),
                peak=int(said["peak"]),
                step=int(said["step"]),
                preset=str(said["preset"]) if said["preset"] in PRESETS else "paper",
                reading=str(said["reading"]) if said["reading"] in READINGS else "cover",
                weights=Weights(*(float(weight) for weight in said["weights"])),
                enhancer=str(said["enhancer"]),
                compare=str(said["compare"]),
                tab=str(said["tab"]),
                axes=(first, second),
                dark=bool(said["dark"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise WsisError("The page sent something that cannot be read. Reload it.") from error


@dataclass(frozen=True)
class Controls:
    """The advanced settings as they stand on the screen, in the order of the components."""

    naive: str
    mode: str
    threshold: float
    window: float
    sigma: float
    limit: float
    agreement: bool = True
    file: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Controls:
        """As they stand for an analysis with these settings."""
        return cls(
            naive=settings.naive,
            mode=settings.mode,
            threshold=settings.class_threshold,
            window=settings.window,
            sigma=settings.sigma,
            limit=settings.max_peaks,
            agreement=settings.agreement,
        )

    def linked(self, said: Any) -> Controls:
        """The same, but for what a link says."""
        known = asdict(self).keys() - {"file"}
        return replace(self, **{name: said[name] for name in known & said.keys()}) if isinstance(said, dict) else self

    def settings(self, base: Settings = START, **others: Any) -> Settings:
        """As the core wants them; what no control shows stays as it is in `base`.

        Raises:
            WsisError: a value makes no sense; anybody can send anything here.
        """
        try:
            chosen: dict[str, Any] = {
                "naive": self.naive,
                "mode": self.mode,
                "class_threshold": float(self.threshold),
                "window": int(self.window),
                "sigma": float(self.sigma),
                "max_peaks": int(self.limit),
                "agreement": bool(self.agreement),
            }
        except (TypeError, ValueError, OverflowError) as error:
            raise WsisError("A setting is no number. Choose it again.") from error
        return replace(base, **chosen, **others)


class Handlers:
    """The explorer's behaviour over one pipeline; every public method is one event."""

    def __init__(
        self,
        pipeline: Pipeline,
        examples: dict[str, Path],
        store: Store | None = None,
        desk: Desk | None = None,
        *,
        most_pixels: int = MAX_PIXELS,
    ) -> None:
        """Remember the pipeline.

        Args:
            pipeline: a loaded checkpoint.
            examples: photos by the name they are shown with; may be empty.
            store: where analyses are kept.
            desk: limits and turns; the usual ones by default.
            most_pixels: of an uploaded photo.
        """
        self.pipeline, self.examples = pipeline, examples
        self.store = Store() if store is None else store  # an empty one is false
        self.desk = desk or Desk()
        self.defaults = replace(START, enhancer=self.enhancer)
        self.files = Folder(self.device)
        self._glance, self._observe, self._analyse = (
            watched(lane(work)) for work in (pipeline.glance, pipeline.observe, pipeline.analyse)
        )
        self._finished: dict[str, str] = {}
        self._most_pixels = most_pixels
        self._acts: dict[str, Callable[[dict, Now, Controls, str], Message]] = {
            "open": self._open, "example": self._example, "upload": self._upload, "finish": self._finish,
            "class": self._class, "adjust": self._adjust, "enhancer": self._adjust, "reading": self._adjust,
            "proposals": self._proposals, "compare": self._compare,
        }  # fmt: skip
        self._lock = threading.Lock()
        self._serial = count()

    @property
    def device(self) -> str:
        """What the networks run on, for people."""
        if self.pipeline.device.startswith("cuda"):
            return torch.cuda.get_device_name(self.pipeline.device)
        threads = torch.get_num_threads()
        return f"CPU · {threads} thread{'' if threads == 1 else 's'}"

    @property
    def enhancer(self) -> Enhancer:
        """The enhancer to start with."""
        return self.pipeline.default_enhancer

    def analyse(self, image: np.ndarray, settings: Settings) -> Analysis:
        """Run the networks, for the API."""
        settings = self.pipeline.checked(settings)  # told before they run
        return self._analyse(self._observe(image), settings)

    def photo(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB of an uploaded file.

        Raises:
            WsisError: it was not uploaded, is too large, or cannot be read.
        """
        return uploads.photo(path, self._most_pixels)

    def warm(self) -> threading.Thread:
        """Analyse the first example in the background, so that the first page can show it."""
        thread = threading.Thread(
            target=lambda: [self._finished_example(name) for name in list(self.examples)[:1]], daemon=True
        )
        thread.start()
        return thread

    # --- events ------------------------------------------------------------------------------------------------------

    def look(self, event: gr.EventData, request: gr.Request, *controls: Any) -> Message:
        """Anything that needs the networks.

        A new photo is answered with a `glance`, its first map; the page then asks to `finish` it.
        """

        def work(data: dict) -> Message:
            given = Controls(*controls).linked(data.get("linked"))
            return self._acts[data["act"]](data, Now.of(data.get("now")), given, owner(request))

        message = self._answered(work, event)
        if message["kind"] == "notice":  # the screen stays, and the controls go back to what it shows
            message["settings"] = self._shown(event)
        return {**message, "ticket": _ticket(event)}

    def act(self, event: gr.EventData, *_: Any) -> str:
        """What `look` is asked for, in one of few words."""
        act = str(_data(event).get("act"))
        return act if act in self._acts else "other"

    def ready(self, event: gr.EventData, request: gr.Request, *controls: Any) -> bool:
        """Whether `look` has the answer already: a finished example, or the analysis that a link names."""
        data = _data(event)
        try:
            now = Now.of(data.get("now"))
            if data["act"] not in ("open", "example") or now.compare not in ("naive", now.enhancer):
                return False
            if data["act"] == "open" and data.get("id"):
                return bool(self.store.get(str(data["id"])))
            name = data.get("name" if data["act"] == "example" else "example") or next(iter(self.examples), None)
            given = Controls(*controls).linked(data.get("linked"))
            same = self._chosen(given, now, data) == self.defaults
            return (name in self._finished and same) or not self.examples
        except (WsisError, KeyError, TypeError, ValueError):  # `look` says what is wrong, or that a link has expired
            return False

    def refused(self, error: RefusedError, event: gr.EventData | None = None, *_: Any) -> Message:
        """The answer to a request that was not taken on; with its ticket, so that the page may send it again."""
        return self._said("busy", text=str(error), seconds=error.seconds, ticket=event and _ticket(event))

    def tuned(self, path: Callable[[str], Path], event: gr.EventData, request: gr.Request, *controls: Any) -> Message:
        """A photo of the tuned data set is opened in the explorer; `path` finds it by its stem."""

        def work(data: dict) -> Message:
            chosen = path(str(data.get("photo")))
            return self._photo(read(chosen), chosen.name, Controls(*controls).settings(), owner(request), data)

        return self._answered(work, event)

    def ask(self, event: gr.EventData, request: gr.Request) -> Message:
        """Anything that is there already: the maps of another peak, or a promise to keep an analysis."""

        def work(data: dict) -> Message:
            now = Now.of(data.get("now"))
            entry = self.store.get(now.token, owner(request))
            if data["act"] == "share":
                self.store.share(now.token)
                return self._said("shared")
            scene = self._scene(entry, replace(now, peak=int(data["peak"])))
            return self._said("peak", token=now.token, **self._part(scene, self._other(now)))

        return self._answered(work, event)

    def settle(self, event: gr.EventData, request: gr.Request) -> tuple[Now | None, Scene | None, Message]:
        """The visitor let go of a control: what Python thinks of it, for `layout` to draw its tabs from."""
        try:
            now = Now.of(_data(event).get("now"))
            entry = self.store.get(now.token, owner(request))
        except WsisError as error:
            return None, None, self._refused(error)
        scene = self._scene(entry, now)
        found = [[instance.peak, instance.proposal] for instance in scene.found]
        weights = [now.weights.alpha, now.weights.beta, now.weights.gamma]
        message = self._said("settled", token=now.token, found=found, weights=weights, step=scene.step, tab=now.tab)
        return now, scene, message

    def download(self, event: gr.EventData) -> str:
        """A download button was clicked; see `files.WRITERS`."""
        try:
            data = _data(event)
            scene = self._scene(self.store.get(Now.of(data.get("now")).token), Now.of(data.get("now")))
            return str(
                self.files.write(str(data.get("kind")), scene, self.pipeline.checkpoint, int(data.get("index", 0)))
            )
        except WsisError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def closed(self, request: gr.Request) -> None:
        """A tab was closed."""
        self.store.release(owner(request))

    # --- acts --------------------------------------------------------------------------------------------------------

    def _open(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """The page stands: what its link names, or the first example."""
        link, peak, expired = data.get("id"), int(data.get("peak", BEST)), None
        if link:
            try:
                entry = self.store.get(str(link), who)
            except WsisError as error:
                expired = self._refused(error)
            else:
                if link != now.token:
                    self.store.leave(now.token, who)
                now = replace(now, enhancer=entry.analysis.settings.enhancer, peak=peak)
                return self._analysis(str(link), entry.analysis, entry.photo, now, who, photo=True)
        if not self.examples:
            empty = {"title": "Drop a photo here", "text": "Or upload, paste or take one with the buttons on the left."}
            return expired or self._said("idle", empty=empty)
        name = str(data.get("example") or "")
        name = name if name in self.examples else next(iter(self.examples))
        message = self._example({**data, "name": name, "peak": peak}, now, controls, who)
        if expired is None or data.get("example") == name:  # made anew as the link says
            return message
        text = f"{expired['text']} Here is an example; choose your photo again, and the settings of the link stay."
        return {**message, "text": f"{text} {message['text']}".strip(), "expired": link}

    def _example(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        name, peak = str(data["name"]), int(data.get("peak", BEST))
        if name not in self.examples:
            raise WsisError("There is no such example.")
        settings = self._chosen(controls, now, data)
        if settings != self.defaults:
            return self._photo(read(self.examples[name]), name, settings, who, data)
        token, made = self._finished_example(name)
        self.store.leave(now.token, who)
        return self._analysis(token, made, name, replace(now, peak=peak), who, photo=True)

    def _upload(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        image = self.photo(Path(str(data["path"])))
        name = str(data.get("name") or "photo")[:200]
        if name in self.examples:  # an example goes by its name without an ending
            name += ".jpg"
        return self._photo(image, name, self._chosen(controls, now, data), who, data)

    def _photo(self, image: np.ndarray, name: str, settings: Settings, who: str, data: dict) -> Message:
        """The first map of a new photo; the rest is asked for with `finish`, so that others come in between."""
        seen = self._glance(image)
        begun = next(self._serial)
        self.store.begin(who, begun, seen)
        found = self.pipeline.peaks(seen.class_maps, settings)
        finish = {"name": name, "peak": int(data.get("peak", BEST)), "begun": begun}
        finish |= {key: data[key] for key in ("linked", "classes") if data.get(key) is not None}
        return self._said("glance", **payload.glance(seen, found, name), finish=finish)

    def _finish(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """The rest of what `_photo` began."""
        begun = int(data["begun"])
        seen = self.store.begun(who, begun)
        if seen is None:  # another photo was chosen meanwhile
            return self._said("stale")
        name = str(data["name"])
        try:
            made = self._analyse(self._observe(seen), self._chosen(controls, now, data))
        finally:
            self.store.finished(who, begun)
        token = self.store.put(made, photo=name, owner=who, replacing=now.token)
        return self._analysis(token, made, name, replace(now, peak=int(data["peak"])), who, photo=True)

    def _class(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """A class was switched on or off."""
        name, on = str(data["name"]), bool(data["on"])
        entry = self.store.get(now.token, who)
        made = entry.analysis
        names = [n for n in payload.switched_on(made.evidence.class_maps, made.settings) if n != name]
        names += [name] if on and name in made.classes else []
        token, fresh = self._again(entry, replace(made.settings, classes=tuple(names)), now, who)
        own = (k for k, c in enumerate(fresh.peaks.classes) if on and made.classes[c] == name)
        return self._analysis(token, fresh, entry.photo, replace(now, peak=next(own, BEST)), who)

    def _adjust(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """A setting, the enhancer or the reading of Eq. 5 was changed: look again at what was seen."""
        entry = self.store.get(now.token, who)
        old = entry.analysis.settings
        wanted = replace(now, enhancer=str(data.get("name", now.enhancer)))
        base = replace(old, steps=MAX_STEPS)
        settings = controls.settings(base, enhancer=wanted.enhancer, reading=wanted.reading)
        if settings.class_threshold != old.class_threshold:
            settings = replace(settings, classes=None)
        token, fresh = self._again(entry, settings, now, who)
        same_peaks = data["act"] != "adjust" or token == now.token
        wanted = replace(wanted, peak=now.peak if same_peaks else BEST)
        return self._analysis(token, fresh, entry.photo, wanted, who)

    def _proposals(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """A file of proposals was chosen, or taken away again: then the built-in ones."""
        entry = self.store.get(now.token, who)
        image = entry.analysis.evidence.image
        size = (image.shape[0], image.shape[1])
        foreign = readers.read(controls.file, size, Path(entry.photo).stem) if controls.file else None
        fresh = self._analyse(self._observe(image, proposals=foreign), entry.analysis.settings)
        token = self.store.put(fresh, photo=entry.photo, owner=who, replacing=now.token)
        return self._analysis(token, fresh, entry.photo, replace(now, peak=BEST), who, photo=True)

    def _compare(self, data: dict, now: Now, controls: Controls, who: str) -> Message:
        """Another enhancer on the other side of the swipe."""
        entry = self.store.get(now.token, who)
        now = replace(now, compare=str(data["name"]))
        token, made = self._second(entry.analysis, entry.photo, now, who)
        scene = self._scene(entry, now)
        part = None if made is None or scene.empty else payload.peak(made, scene.peak, runners=False)
        other = None if made is None else payload.other(made)
        return self._said("other", token=now.token, otherToken=token, other=other, part=part, peak=scene.peak)

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _chosen(self, controls: Controls, now: Now, data: dict) -> Settings:
        """How a new photo is looked at; a link to an example may name classes too."""
        names = data.get("classes")
        classes = tuple(dict.fromkeys(map(str, names))) if isinstance(names, list) else None
        return controls.settings(enhancer=now.enhancer, reading=now.reading, classes=classes)

    def _again(self, entry: Entry, settings: Settings, now: Now, who: str) -> tuple[str, Analysis]:
        """The same photo with other settings; what its visitor has already is not made again."""
        token = self.store.same(entry.analysis, settings, who)
        if token is None:
            fresh = self._analyse(entry.analysis.evidence, settings)
            return self.store.put(fresh, photo=entry.photo, owner=who, replacing=now.token), fresh
        if token != now.token:
            self.store.leave(now.token, who)
        return token, self.store.get(token, who).analysis

    def _finished_example(self, name: str) -> tuple[str, Analysis]:
        """A finished example, computed once for everybody: it is nobody's photo."""
        if name not in self._finished:
            with self._lock:
                if name not in self._finished:
                    made = self.analyse(read(self.examples[name]), self.defaults)
                    self._finished[name] = self.store.put(made, photo=name, pinned=True)
        token = self._finished[name]
        return token, self.store.get(token).analysis

    def _analysis(self, token: str, made: Analysis, name: str, now: Now, who: str, *, photo: bool = False) -> Message:
        """Everything that the page needs to go on without Python."""
        scene = Scene(made, name, now.peak, now.step, now.preset, now.weights)
        other_token, other = self._second(made, name, now, who)
        notes = dict.fromkeys(note for one in (made, other) for note in getattr(one, "notes", ()))
        return self._said(
            "analysis",
            token=token,
            text=" ".join(notes),
            pristine=token in self._finished.values(),
            **payload.analysis(made),
            settings=asdict(Controls.of(made.settings)),
            part=None if scene.empty else self._part(scene, other),
            other=None if other is None else payload.other(other),
            otherToken=other_token,
            photo=payload.photo(made.evidence, name, name if name in self.examples else "") if photo else None,
        )

    def _second(self, made: Analysis, name: str, now: Now, who: str) -> tuple[str | None, Analysis | None]:
        """The analysis on the other side of the swipe, where it takes one."""
        wanted: Any = now.compare
        if wanted not in self.pipeline.enhancers or wanted in ("none", made.settings.enhancer):
            return None, None
        other = self._analyse(made.evidence, replace(made.settings, enhancer=wanted))
        return self.store.put(other, photo=name, owner=who, replacing=now.other), other

    def _other(self, now: Now) -> Analysis | None:
        try:
            return self.store.get(now.other).analysis if now.other else None
        except WsisError:
            return None

    def _part(self, scene: Scene, other: Analysis | None) -> Message:
        second = payload.peak(other, scene.peak, runners=False) if other and len(other.peaks) > scene.peak else None
        return {**payload.peak(scene.analysis, scene.peak), "other": second}

    def _scene(self, entry: Entry, now: Now) -> Scene:
        photo = self.examples[entry.photo].name if entry.photo in self.examples else entry.photo
        return Scene(entry.analysis, photo, now.peak, now.step, now.preset, now.weights)

    def _said(self, kind: str, **what: Any) -> Message:
        """A message; its number makes sure that the page notices two equal ones."""
        return {"kind": kind, "serial": next(self._serial), **what}

    def _answered(self, work: Callable[[dict], Message], event: gr.EventData) -> Message:
        """Run it; what the visitor can mend is said in one sentence, and the screen stays as it was."""
        try:
            return work(_data(event))
        except WsisError as error:
            return self._refused(error)

    def _shown(self, event: gr.EventData) -> Message | None:
        """The controls of the analysis on the screen."""
        try:
            return asdict(Controls.of(self.store.get(Now.of(_data(event).get("now")).token).analysis.settings))
        except WsisError:
            return None

    def _refused(self, error: WsisError) -> Message:
        return self._gone() if isinstance(error, GoneError) else self._said("notice", text=str(error))

    def _gone(self) -> Message:
        text = "This analysis is no longer kept: they go after half an hour, and when the server starts anew."
        empty = {
            "title": "This link has expired",
            "text": f"{text} Choose the photo again.",
            "offer": "Choose the photo",
        }
        return self._said("gone", text=text, empty=empty)


def owner(request: gr.Request | None) -> str:
    """The session, one a tab."""
    return getattr(request, "session_hash", None) or ""


def _ticket(event: gr.EventData) -> str:
    """What the page calls its request."""
    return str(_data(event).get("ticket") or "")[:64]


def _data(event: gr.EventData) -> dict[str, Any]:
    """What the page sent."""
    return event._data if isinstance(event._data, dict) else {}
