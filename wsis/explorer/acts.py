"""What can be asked of the networks: twelve acts, each an answer for the page. No maths here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from wsis import edits
from wsis.analysis import Analysis, Settings
from wsis.errors import WsisError
from wsis.explorer import messages, payload, rated
from wsis.explorer.examples import Examples
from wsis.explorer.messages import Message
from wsis.explorer.models import Models, unknown
from wsis.explorer.networks import BUILT_IN, Networks
from wsis.explorer.origin import Origin
from wsis.explorer.payload import Packed
from wsis.explorer.published import published
from wsis.explorer.scene import BEST, Scene
from wsis.explorer.server import uploads
from wsis.explorer.store import Entry, GoneError, Store
from wsis.explorer.visit import AS_PUBLISHED, MODEL, Now, Visit, controls_of
from wsis.hands import key
from wsis.image import MAX_PIXELS, read
from wsis.proposals import readers
from wsis.replay import likely_classes

OTHER_PEAKS = "What was done by hand belongs to the peaks before this; go back for it."
KEY = 16
"""Characters of `wsis.hands.key`."""
NOT_BY_HAND = "What the link did by hand was left out:"
EXAMPLE_INSTEAD = "Here is an example; choose your photo again, and the settings of the link stay."


class Acts:
    """The acts over a server's models, a store and the examples; a `Visit` says what is asked for, and by whom."""

    def __init__(
        self,
        models: Models,
        store: Store,
        examples: Examples,
        defaults: Settings,
        most_pixels: int = MAX_PIXELS,
    ) -> None:
        """Remember them.

        Args:
            models: what looks at photos.
            store: where analyses are kept.
            examples: finished for everybody.
            defaults: with which the examples are finished.
            most_pixels: of an uploaded photo.
        """
        self._models, self._store, self._examples = models, store, examples
        self._defaults, self._most_pixels = defaults, most_pixels
        self._begun = count()
        self.by_name: dict[str, Callable[[Visit], Message]] = {
            "open": self.open, "example": self.example, "upload": self.upload, "finish": self.finish,
            "class": self.switch, "adjust": self.adjust, "enhancer": self.adjust, "reading": self.adjust,
            "proposals": self.proposals, "compare": self.compare, "model": self.model,
            "edit": self.edit,
            "enhancers": self.enhancers,
        }  # fmt: skip

    def ready(self, visit: Visit) -> bool:
        """Whether the answer is there already: a finished example, or the analysis that a link names.

        Raises:
            WsisError: the link has expired, or a setting makes no sense.
        """
        data, now = visit.data, visit.now
        if data["act"] == "model":
            return self._seen(visit, str(data["name"])) is not None and now.compare == "naive"
        if data["act"] not in ("open", "example") or now.compare not in ("naive", now.enhancer):
            return False
        if data["act"] == "open" and data.get("id"):
            return bool(self._store.get(str(data["id"])))
        name = data.get("name" if data["act"] == "example" else "example") or self._examples.first
        same = visit.settings == self._defaults and self._is_first(visit) and not data.get("edits")
        return (name in self._examples.finished and same) or not self._examples.photos

    def photo(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB of an uploaded file.

        Raises:
            WsisError: it was not uploaded, is too large, or cannot be read.
        """
        return uploads.photo(path, self._most_pixels)

    # --- a photo -----------------------------------------------------------------------------------------------------

    def open(self, visit: Visit) -> Message:
        """The page stands: what its link names, or the first example."""
        link = visit.data.get("id")
        if not self._models.has(visit.now.model):
            message = self.open(visit.at(model=None))
            text = f"{unknown(str(visit.now.model), self._models.known())} This is by {self._models.first}."
            return message if link else _with_text(message, text)
        if not link:
            return self._linked_example(visit, self._examples.first) if self._examples.first else messages.Idle()
        try:
            entry = self._store.get(str(link), visit.owner)
        except GoneError:
            return self._instead(visit, str(link))
        if link != visit.now.token:
            self._store.leave(visit.now.token, visit.owner)
        shown = visit.at(enhancer=entry.analysis.settings.enhancer, peak=visit.peak)
        return self._analysis(str(link), entry.analysis, entry.photo, self._origin(entry), shown, photo=True)

    def example(self, visit: Visit) -> messages.Glance | messages.Analysis:
        """An example was chosen."""
        name = str(visit.data["name"])
        if name not in self._examples.photos:
            raise WsisError("There is no such example.")
        peak, settings = visit.peak, visit.settings
        if settings != self._defaults or not self._is_first(visit):
            return self.begin(read(self._examples.photos[name]), name, settings, visit)
        token, entry = self._examples.entry(name)
        if visit.data.get("edits"):
            networks = self._models.get()
            edited = _by_hand(entry.analysis, visit, networks)
            token = self._put(edited, name, networks.origin, visit)
            return self._analysis(token, edited, name, networks.origin, visit.at(peak=peak), photo=True)
        self._store.leave(visit.now.token, visit.owner)
        return self._analysis(token, entry.analysis, name, self._origin(entry), visit.at(peak=peak), photo=True)

    def upload(self, visit: Visit) -> Message:
        """A photo was uploaded."""
        image = self.photo(Path(str(visit.data["path"])))
        name = str(visit.data.get("name") or "photo")[:200]
        if name in self._examples.photos:  # an example goes by its name without an ending
            name += ".jpg"
        return self.begin(image, name, visit.settings, visit)

    def begin(self, image: np.ndarray, name: str, settings: Settings, visit: Visit) -> messages.Glance:
        """The first map of a new photo; the rest is asked for with `finish`, so that others come in between.

        Args:
            image: (H, W, 3) uint8 RGB.
            name: what the photo is called, with its ending.
            settings: how it is looked at.
            visit: who looks at it.
        """
        networks = self._models.get(visit.now.model)
        glance = networks.glance(image)
        begun = next(self._begun)
        self._store.begin(visit.owner, begun, glance, networks.origin)
        peaks = networks.pipeline.peaks(glance.class_maps, networks.fitting(settings))
        finish = {"name": name, "peak": visit.peak, "begun": begun}
        finish |= {key: visit.data[key] for key in ("linked", "classes", "edits") if visit.data.get(key) is not None}
        return messages.Glance(**payload.glance(glance, peaks, name), finish=finish)

    def finish(self, visit: Visit) -> Message:
        """The rest of what `begin` began."""
        begun = int(visit.data["begun"])
        origin = self._store.beginner(visit.owner)
        glance = self._store.begun(visit.owner, begun)
        if glance is None:  # another photo was chosen meanwhile
            return messages.Stale()
        name = str(visit.data["name"])
        try:
            networks = self._models.get(origin.model if origin else None)
            if origin and networks.origin.key != origin.key:  # saved anew meanwhile
                glance = networks.glance(glance.image)
            analysis = networks.analyse(networks.observe(glance), networks.fitting(visit.settings))
            analysis = _by_hand(analysis, visit, networks)
        finally:
            self._store.finished(visit.owner, begun)
        token = self._put(analysis, name, networks.origin, visit)
        shown = visit.at(peak=int(visit.data["peak"]))
        return self._analysis(token, analysis, name, networks.origin, shown, photo=True)

    # --- the same photo, seen differently ----------------------------------------------------------------------------

    def switch(self, visit: Visit) -> Message:
        """A class was switched on or off, or on alone."""
        name, on = str(visit.data["name"]), bool(visit.data["on"])
        entry = self._store.get(visit.now.token, visit.owner)
        old = entry.analysis
        names = [other for other in payload.switched_on(old.evidence.class_maps, old.settings) if other != name]
        names = [] if visit.data.get("only") else names
        names += [name] if on and name in old.classes else []
        token, fresh = self._again(entry, replace(old.settings, classes=tuple(names)), visit)
        peaks_of_class = (k for k, c in enumerate(fresh.peaks.classes) if on and old.classes[c] == name)
        shown = visit.at(peak=next(peaks_of_class, BEST))
        return self._analysis(token, fresh, entry.photo, self._origin(entry), shown)

    def adjust(self, visit: Visit) -> Message:
        """A setting, the enhancer or the reading of Eq. 5 was changed: look again at what was seen."""
        now = visit.now
        entry = self._store.get(now.token, visit.owner)
        old = entry.analysis.settings
        enhancer = str(visit.data.get("name", now.enhancer))
        base = replace(old, steps=self._defaults.steps)
        settings = visit.controls.settings(base, enhancer=enhancer, reading=now.reading)
        if settings.class_threshold != old.class_threshold:
            settings = replace(settings, classes=None)
        token, fresh = self._again(entry, settings, visit)
        same_peaks = visit.data["act"] != "adjust" or token == now.token
        shown = visit.at(enhancer=enhancer, peak=now.peak if same_peaks else BEST)
        return self._analysis(token, fresh, entry.photo, self._origin(entry), shown)

    def proposals(self, visit: Visit) -> Message:
        """A file of proposals was chosen, or taken away again: then the built-in ones."""
        entry = self._store.get(visit.now.token, visit.owner)
        image, file = entry.analysis.evidence.image, visit.controls.file
        size = (image.shape[0], image.shape[1])
        foreign = readers.read(file, size, Path(entry.photo).stem) if file else None
        networks = self._models.get(self._origin(entry).model)
        settings = networks.fitting(entry.analysis.settings)
        fresh = networks.analyse(networks.observe(image, proposals=foreign), settings)
        token = self._put(fresh, entry.photo, networks.origin, visit)
        return self._analysis(token, fresh, entry.photo, networks.origin, visit.at(peak=BEST), photo=True)

    def compare(self, visit: Visit) -> Message:
        """Another enhancer, or another model, on the other side of the swipe."""
        entry = self._store.get(visit.now.token, visit.owner)
        visit = visit.at(compare=str(visit.data["name"]))
        token, second = self._second(entry.analysis, entry.photo, self._origin(entry), visit)
        scene = self.scene(entry, visit.now)
        return messages.Other(
            token=visit.now.token,
            other_token=token,
            other=None if second is None else payload.other(second, visit.now.compare),
            part=None if scene.empty else self._opposite(scene, second, visit.now),
            peak=scene.peak,
            text=" ".join(note for note in second.notes if note not in entry.analysis.notes) if second else None,
        )

    def enhancers(self, visit: Visit) -> Message:
        """The picked peak's map by every enhancer of the model; they stay at hand, for one is often chosen next."""
        now = visit.now
        entry = self._store.get(now.token, visit.owner)
        scene, origin = self.scene(entry, now), self._origin(entry)
        names: list[Any] = [] if scene.empty else [name for name in origin.enhancers if name != "none"]
        columns: list[Packed] = []
        for enhancer in names:
            made, settings = entry.analysis, replace(entry.analysis.settings, enhancer=enhancer)
            if settings != made.settings:
                made = self._aside(entry, settings, origin, visit)
            columns += payload.grid(made, [scene.peak], response=False)
        return messages.Grid(token=now.token, what="enhancers", peak=scene.peak, columns=columns)

    def model(self, visit: Visit) -> Message:
        """Another model was chosen: the photo on the screen, where there is one, as it sees it."""
        name = str(visit.data["name"])
        if visit.now.token is None:
            return chosen(self._models, self._models.get(name).origin.model)
        entry = self._store.get(visit.now.token, visit.owner)
        before, old = self._origin(entry), entry.analysis
        token = self._seen(visit, name)
        if token is not None:  # what was seen before needs no networks
            found = self._store.get(token, visit.owner)
            fresh, origin = found.analysis, self._origin(found)
            if token != visit.now.token:
                self._store.leave(visit.now.token, visit.owner)
        else:
            networks = self._models.get(name)
            origin = networks.origin
            evidence = networks.seen(old.evidence, before)
            fresh = networks.analyse(evidence, networks.fitting(old.settings, before))
            token = self._put(fresh, entry.photo, origin, visit)
        shown = visit.at(enhancer=fresh.settings.enhancer, peak=BEST)
        photo = fresh.evidence.proposals is not old.evidence.proposals
        return self._analysis(token, fresh, entry.photo, origin, shown, photo=photo)

    def edit(self, visit: Visit) -> Message:
        """Something was done by hand, undone or done again: `edits` is all of it, `place` a click that adds a peak."""
        wanted = edits.checked(visit.data.get("edits"))
        entry = self._store.get(visit.now.token, visit.owner)
        base, origin = entry.analysis.base or entry.analysis, self._origin(entry)
        if visit.data.get("place") is not None:
            wanted = (*wanted, _placed(base, visit.data["place"]))
        fresh = entry.analysis
        token = self._store.edited(base, wanted, visit.owner)
        if token is None:
            fresh = self._models.get(origin.model).replay(*_nearest(entry.analysis, base, wanted)) if wanted else base
            token = self._put(fresh, entry.photo, origin, visit)
        else:
            fresh = self._store.get(token, visit.owner).analysis
            if token != visit.now.token:
                self._store.leave(visit.now.token, visit.owner)
        return self._analysis(token, fresh, entry.photo, origin, visit.at(peak=_picked(fresh, visit)))

    # --- what all of them need ---------------------------------------------------------------------------------------

    def scene(self, entry: Entry, now: Now) -> Scene:
        """What a visitor looks at; an example is called like its file."""
        example = self._examples.photos.get(entry.photo)
        photo = entry.photo if example is None else example.name
        return Scene(
            entry.analysis, photo, now.peak, now.step, now.preset, now.weights, self._origin(entry), entry.followed,
            now.fill,
        )  # fmt: skip

    def part(self, scene: Scene, other: Analysis | None, now: Now) -> Packed:
        """The picked peak's maps on both sides of the swipe."""
        return {**payload.peak(scene.analysis, scene.peak), "other": self._opposite(scene, other, now)}

    def _opposite(self, scene: Scene, other: Analysis | None, now: Now) -> Packed | None:
        """The maps of the peak that answers the picked one on the other side of the swipe."""
        origins = (scene.origin, self._models.origin(now.compare.removeprefix(MODEL)))
        named = {name: others for origin in origins if origin for name, others in origin.synonyms.items()}
        k = None if other is None else payload.counterpart(scene.analysis, scene.peak, other, named)
        return None if other is None or k is None else payload.peak(other, k, runners=False)

    def around(self, entry: Entry, now: Now, data: dict[str, Any]) -> Message:
        """What a peak may be, or masks around it from part to group; neither needs the networks."""
        analysis, k = entry.analysis, int(data["peak"])
        if not 0 <= k < len(analysis.peaks):
            raise WsisError("This peak is no longer there.")
        if data["act"] == "likely":
            y, x = analysis.peaks.places[k]
            found = likely_classes(analysis.evidence.class_maps, float(x), float(y))
            told = [{"name": analysis.classes[c], "score": round(share, 4)} for c, share in found]
            return messages.Likely(token=now.token, peak=k, classes=told)
        proposal = int(data["proposal"])
        if not 0 <= proposal < len(analysis.proposals):
            raise WsisError("This proposal is not of this photo.")
        return messages.Levels(token=now.token, **payload.levels(analysis, k, proposal))

    def synonyms(self, entry: Entry) -> messages.Synonyms:
        """Other names of the classes that the model behind an analysis knows."""
        origin = self._origin(entry)
        named = {name: list(others) for name, others in origin.synonyms.items()}
        return messages.Synonyms(model=origin.model, synonyms=named)

    def _origin(self, entry: Entry) -> Origin:
        """The model that made an analysis."""
        return entry.origin or self._models.get().origin

    def _is_first(self, visit: Visit) -> bool:
        return visit.now.model in (None, self._models.first)

    def _seen(self, visit: Visit, name: str) -> str | None:
        """The token of what a model made of the photo on the screen before, if it is kept; no networks are needed.

        Raises:
            GoneError: the photo on the screen is no longer kept.
        """
        if visit.now.token is None:
            return None
        entry, key = self._store.get(visit.now.token, visit.owner), self._models.key(name)
        return key and self._store.by_model(entry.analysis, key, visit.owner)

    def _aside(self, entry: Entry, settings: Settings, origin: Origin, visit: Visit) -> Analysis:
        """The same photo with other settings, kept as if its visitor had left it again."""
        token = self._store.same(entry.analysis, settings, visit.owner)
        if token is not None:
            return self._store.get(token, visit.owner).analysis
        made = self._models.get(origin.model).analyse(entry.analysis.evidence, settings)
        token = self._store.put(made, photo=entry.photo, origin=origin, owner=visit.owner)
        self._store.leave(token, visit.owner)
        return made

    def _put(self, analysis: Analysis, name: str, origin: Origin, visit: Visit) -> str:
        """Keep an analysis in the place of the one on the screen."""
        return self._store.put(analysis, photo=name, origin=origin, owner=visit.owner, replacing=visit.now.token)

    def _linked_example(self, visit: Visit, first: str) -> messages.Glance | messages.Analysis:
        """The example that a link names, or the first."""
        name = str(visit.data.get("example") or "")
        name = name if name in self._examples.photos else first
        return self.example(replace(visit, data={**visit.data, "name": name, "peak": visit.peak}))

    def _instead(self, visit: Visit, link: str) -> Message:
        """What is shown where a link has expired."""
        if self._examples.first is None:
            return messages.Gone()
        message = self._linked_example(visit, self._examples.first)
        if visit.data.get("example") in self._examples.photos:  # made anew as the link says
            return message
        text = f"{messages.GONE} {EXAMPLE_INSTEAD} {message.text or ''}".strip()
        return replace(message, text=text, expired=link)

    def _again(self, entry: Entry, settings: Settings, visit: Visit) -> tuple[str, Analysis]:
        """The same photo with other settings; what its visitor has already is not made again."""
        token = self._store.same(entry.analysis, settings, visit.owner)
        if token is None:
            before = self._origin(entry)
            networks = self._models.get(before.model)
            fresh = _rescored(entry.analysis, settings) if networks.origin.key == before.key else None
            if fresh is None:
                evidence = networks.seen(entry.analysis.evidence, before)
                fresh = _carried(entry.analysis, networks.analyse(evidence, settings), networks)
            return self._put(fresh, entry.photo, networks.origin, visit), fresh
        if token != visit.now.token:
            self._store.leave(visit.now.token, visit.owner)
        return token, self._store.get(token, visit.owner).analysis

    def _analysis(
        self, token: str, analysis: Analysis, name: str, origin: Origin, visit: Visit, *, photo: bool = False
    ) -> messages.Analysis:
        """Everything that the page needs to go on without Python."""
        now = visit.now
        scene = Scene(analysis, name, now.peak, now.step, now.preset, now.weights, origin)
        other_token, other = self._second(analysis, name, origin, visit)
        notes = dict.fromkeys([*analysis.notes, *(other.notes if other else ())])
        example = name if name in self._examples.photos else ""
        return messages.Analysis(
            token=token,
            model=origin.model,
            enhancers=list(origin.enhancers),
            text=" ".join(notes),
            pristine=token in self._examples.finished.values(),
            **payload.analysis(analysis),
            trust=rated.packed(analysis, origin),
            settings=controls_of(analysis.settings),
            part=None if scene.empty else self.part(scene, other, now),
            other=None if other is None else payload.other(other, now.compare),
            other_token=other_token,
            photo=payload.photo(analysis.evidence, name, example) if photo else None,
        )

    def _second(
        self, analysis: Analysis, name: str, origin: Origin, visit: Visit
    ) -> tuple[str | None, Analysis | None]:
        """The analysis on the other side of the swipe, where it takes one."""
        if visit.compared is not None:
            return self._by_model(analysis, name, origin, visit, visit.compared)
        enhancer: Any = visit.now.compare
        if enhancer == AS_PUBLISHED:
            settings = published(analysis.settings, origin.enhancers)
        elif enhancer not in origin.enhancers or enhancer in ("none", analysis.settings.enhancer):
            return None, None
        else:
            settings = replace(analysis.settings, enhancer=enhancer)
        networks = self._models.get(origin.model)
        other = networks.analyse(analysis.evidence, settings)
        return self._beside(other, name, visit), other

    def _by_model(
        self, analysis: Analysis, name: str, origin: Origin, visit: Visit, model: str
    ) -> tuple[str | None, Analysis | None]:
        """The photo as another model sees it, on the proposals of the first: both sides share one partition."""
        if model == origin.model or not self._models.has(model):
            return None, None
        networks = self._models.get(model)
        settings = networks.fitting(analysis.settings, origin)
        token = self._store.by_model(analysis, networks.origin.key, visit.owner, settings)
        if token and self._store.get(token).analysis.proposals is analysis.proposals:
            self._store.leave(visit.now.other if token != visit.now.other else None, visit.owner)
            return token, self._store.get(token, visit.owner).analysis
        other = networks.analyse(networks.beside(analysis.evidence), settings)
        if analysis.proposals.source != BUILT_IN or networks.origin.shares_outlines(origin):
            return self._beside(other, name, visit, networks.origin), other
        note = f"{model} is compared on the proposals of {origin.model}; alone it would have its own."
        other = replace(other, notes=(*other.notes, note))
        return self._beside(other, name, visit), other

    def _beside(self, other: Analysis, name: str, visit: Visit, origin: Origin | None = None) -> str:
        """Keep the other side in the place of the one before; `origin` where its model alone would see the same."""
        return self._store.put(other, photo=name, origin=origin, owner=visit.owner, replacing=visit.now.other)


def chosen(models: Models, name: str | None = None) -> messages.Models:
    """The menu; `name` is the model that was just chosen without a photo to look at."""
    rows = [asdict(row) for row in models.rows()]
    return messages.Models(rows=rows, loaded=models.loaded, megabytes=round(models.held / 2**20), chosen=name)


def _placed(base: Analysis, place: Any) -> edits.AddPeak:
    """A peak under a click, of the class that is the likeliest there."""
    try:
        x, y = (float(share) for share in place)
        category = likely_classes(base.evidence.class_maps, x, y, 1)[0][0]
        return edits.AddPeak(name=base.classes[category], x=x, y=y)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise WsisError("There is no such place in the photo.") from error


def _nearest(now: Analysis, base: Analysis, wanted: tuple[edits.Edit, ...]) -> tuple[Analysis, tuple[edits.Edit, ...]]:
    """Where to begin, and what is left to do: undoing begins with the analysis as it was found."""
    done = now.hands.edits if now.hands else ()
    return (now, wanted[len(done) :]) if wanted[: len(done)] == done else (base, wanted)


def _rescored(before: Analysis, settings: Settings) -> Analysis | None:
    """The same maps where only scores and what is found of them change, which needs no networks; else None."""
    old = before.settings
    if replace(settings, objectness=old.objectness, semantic_threshold=old.semantic_threshold) != old:
        return None
    base = before.base and replace(before.base, settings=settings)
    return replace(before, settings=settings, base=base)


def _carried(before: Analysis, fresh: Analysis, networks: Networks) -> Analysis:
    """The same edits on a fresh analysis, where its peaks are the ones that they speak of."""
    if before.hands is None or before.base is None or not before.hands.edits:
        return fresh
    old, new = before.base.peaks, fresh.peaks
    if old.grid == new.grid and all(
        np.array_equal(getattr(old, name), getattr(new, name)) for name in ("classes", "rows", "columns")
    ):
        return networks.replay(fresh, before.hands.edits)
    return replace(fresh, notes=(*fresh.notes, OTHER_PEAKS))


def _by_hand(found: Analysis, visit: Visit, networks: Networks) -> Analysis:
    """An analysis after the edits of a link, `wsis.hands.key` and then their list; a note where that cannot be."""
    said = visit.data.get("edits")
    if not said:
        return found
    try:
        partition, wanted = str(said)[:KEY], json.loads(str(said)[KEY:])
        if partition != key(found.proposals.labels, found.proposals.membership):
            raise WsisError("it was done on other regions and proposals.")
        return networks.replay(found, edits.checked(wanted))
    except (WsisError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, WsisError) else "it cannot be read."
        return replace(found, notes=(*found.notes, f"{NOT_BY_HAND} {why}"))


def _picked(analysis: Analysis, visit: Visit) -> int:
    """The row of the peak that was edited: the newest where a place was clicked."""
    number, rows = visit.data.get("number"), analysis.hands.rows if analysis.hands else ()
    if visit.data.get("place") is not None:
        return len(rows) - 1
    if number is None:
        return BEST
    if not rows:
        return int(number) if int(number) < len(analysis.peaks) else BEST
    return next((row for row, hand in enumerate(rows) if hand.number == number), BEST)


def _with_text(message: Message, text: str) -> Message:
    """The same with a sentence more, where it takes one."""
    if not isinstance(message, messages.Glance | messages.Analysis):
        return messages.Notice(text=text)
    return replace(message, text=f"{text} {message.text or ''}".strip())
