"""The page's events: what it says is read, `acts` do what needs the networks, and a message goes back.

The page (`stage/wire.js`) says what it shows with every event (`visit.Now`) and gets messages back (`messages`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from wsis.analysis import Analysis, Settings
from wsis.choices import Enhancer
from wsis.errors import WsisError
from wsis.explorer import messages, payload, pictures, reproduce
from wsis.explorer.acts import Acts, chosen
from wsis.explorer.examples import Examples
from wsis.explorer.files import Folder
from wsis.explorer.messages import Message
from wsis.explorer.models import Models
from wsis.explorer.networks import Networks
from wsis.explorer.payload import Packed
from wsis.explorer.scene import Scene
from wsis.explorer.server.desk import Desk, sent, ticket
from wsis.explorer.server.turns import RefusedError
from wsis.explorer.store import Entry, GoneError, Store
from wsis.explorer.visit import START, Controls, Now, Visit, controls_of
from wsis.image import MAX_PIXELS, read
from wsis.pipeline import Pipeline


class Handlers:
    """The explorer's behaviour over a server's models; every public method is one event.

    Attributes:
        models: what looks at photos.
        store: where analyses are kept.
        desk: limits and turns.
        defaults: how a photo is looked at first.
        examples: photos to choose from.
        files: where downloads are written.
        most_pixels: of an uploaded photo.
    """

    def __init__(
        self,
        models: Models | Pipeline,
        examples: Mapping[str, Path],
        store: Store | None = None,
        desk: Desk | None = None,
        *,
        most_pixels: int = MAX_PIXELS,
    ) -> None:
        """Remember the models.

        Args:
            models: what looks at photos; a pipeline is the first of them.
            examples: photos by the name they are shown with; may be empty.
            store: where analyses are kept.
            desk: limits and turns; the usual ones by default.
            most_pixels: of an uploaded photo.
        """
        self.models = Models.of(models)
        self.store = Store() if store is None else store  # an empty one is false
        self.desk = desk or Desk()
        self.defaults = replace(START, enhancer=self.networks.origin.enhancer)
        self.examples = Examples(examples, self.models, self.store, self.defaults)
        self.files = Folder(self.networks.device)
        self.most_pixels = most_pixels
        self._acts = Acts(self.models, self.store, self.examples, self.defaults, most_pixels)
        self._serial = count()

    @property
    def networks(self) -> Networks:
        """The model that a page opens with."""
        return self.models.get()

    @property
    def pipeline(self) -> Pipeline:
        """Its checkpoint."""
        return self.networks.pipeline

    @property
    def enhancer(self) -> Enhancer:
        """The enhancer to start with."""
        return self.defaults.enhancer

    def model(self, name: str | None) -> Networks:
        """A model by its name, for the API; None asks for the first.

        Raises:
            WsisError: there is none, or it cannot be loaded.
        """
        return self.models.get(name)

    def analyse(self, image: np.ndarray, settings: Settings) -> Analysis:
        """What the first model makes of a photo."""
        return self.networks.whole(image, settings)

    def photo(self, path: Path) -> np.ndarray:
        """(H, W, 3) uint8 RGB of an uploaded file.

        Raises:
            WsisError: it was not uploaded, is too large, or cannot be read.
        """
        return self._acts.photo(path)

    def warm(self) -> threading.Thread:
        """Analyse the first example in the background, so that the first page can show it."""
        return self.examples.warm()

    # --- events ------------------------------------------------------------------------------------------------------

    def look(self, event: gr.EventData, request: gr.Request, *controls: Any) -> Packed:
        """Anything that needs the networks.

        A new photo is answered with a `glance`, its first map; the page then asks to `finish` it.
        """
        data = sent(event)
        message = self._answered(lambda: self._acts.by_name[data["act"]](Visit.of(data, controls, owner(request))))
        if message["kind"] == messages.Notice.kind:  # the screen stays, and the controls go back to what it shows
            message["settings"] = self._shown(data)
        return {**message, "ticket": ticket(event)}

    def act(self, event: gr.EventData, *_: Any) -> str:
        """What `look` is asked for, in one of few words."""
        act = str(sent(event).get("act"))
        return act if act in self._acts.by_name else "other"

    def ready(self, event: gr.EventData, request: gr.Request, *controls: Any) -> bool:
        """Whether `look` has the answer already: a finished example, or the analysis that a link names."""
        try:
            return self._acts.ready(Visit.of(sent(event), controls, owner(request)))
        except (WsisError, KeyError, TypeError, ValueError):  # `look` says what is wrong, or that a link has expired
            return False

    def refused(self, error: RefusedError, event: gr.EventData | None = None, *_: Any) -> Packed:
        """The answer to a request that was not taken on; with its ticket, so that the page may send it again."""
        message = self._wire(messages.Busy(text=str(error), seconds=error.seconds))
        return {**message, "ticket": event and ticket(event)}

    def tuned(
        self,
        find: Callable[[str], tuple[Path, np.ndarray | None]],
        model: str | None,
        event: gr.EventData,
        request: gr.Request,
        *controls: Any,
    ) -> Packed:
        """A photo of the tuned data set is opened in the explorer, by its model.

        `find` knows its file, and the (G, H, W) bool masks that people drew, by its stem.
        """

        def begin() -> Message:
            visit = Visit(
                sent(event), Now(model=model), Controls(*controls), owner(request)
            )  # it says not where it stands
            photo, masks = find(str(visit.data.get("photo")))
            message = self._acts.begin(read(photo), photo.name, visit.controls.settings(), visit)
            return message if masks is None else replace(message, truth=pictures.outlines(masks, payload.PHOTO_SIZE))

        return self._answered(begin)

    def ask(self, event: gr.EventData, request: gr.Request) -> Packed:
        """Anything that is there already: maps of another peak, the menu of models, a promise to keep an analysis."""

        def answer() -> Message:
            data = sent(event)
            if data["act"] == "models":
                return chosen(self.models)
            now = Now.of(data.get("now"))
            entry = self.store.get(now.token, owner(request))
            if data["act"] == "share":
                self.store.share(now.token)
                return messages.Shared()
            if data["act"] == "synonyms":
                return self._acts.synonyms(entry)
            if data["act"] in ("levels", "likely"):
                return self._acts.around(entry, now, data)
            return self._seen(data, entry, now)

        return self._answered(answer)

    def _seen(self, data: dict[str, Any], entry: Entry, now: Now) -> Message:
        """What the screen follows from: its code, maps side by side, or those of a peak."""
        if data["act"] == "code":
            scene = self._acts.scene(entry, now)
            file = self.examples.photos.get(scene.photo)
            scene = scene if file is None else replace(scene, photo=file.name)
            name = (scene.origin or self.networks.origin).name
            return messages.Code(
                python=reproduce.snippet(scene, name),
                command=reproduce.command(scene, name),
                left_out=reproduce.left_out(scene),
            )
        scene = self._acts.scene(entry, replace(now, peak=int(data.get("peak", now.peak))))
        if data["act"] == "grid":
            return messages.Grid(token=now.token, what="peaks", peak=scene.peak, columns=columns(scene))
        return messages.Peak(token=now.token, **self._acts.part(scene, self._other(now), now))

    def settle(self, event: gr.EventData, request: gr.Request) -> tuple[Now | None, Scene | None, Packed]:
        """The visitor let go of a control: what Python thinks of it, for `wiring` to draw its tabs from."""
        try:
            now = Now.of(sent(event).get("now"))
            scene = self._acts.scene(self.store.get(now.token, owner(request)), now)
        except WsisError as error:
            return None, None, self._wire(_told(error))
        message = messages.Settled(
            token=now.token,
            found=[[instance.peak, instance.proposal] for instance in (*scene.found, *scene.offered)],
            weights=[now.weights.alpha, now.weights.beta, now.weights.gamma],
            step=scene.step,
            fill=scene.fill,
            tab=now.tab,
        )
        return now, scene, self._wire(message)

    def shown(self, data: dict[str, Any], request: gr.Request) -> tuple[Entry, Scene]:
        """What a visitor looks at, for tabs with events of their own; `data` as the page sent it.

        Raises:
            WsisError: it is no longer kept, or cannot be read.
        """
        now = Now.of(data.get("now"))
        entry = self.store.get(now.token, owner(request))
        return entry, self._acts.scene(entry, now)

    def download(self, event: gr.EventData) -> str:
        """A download button was clicked; see `files.WRITERS`."""
        data = sent(event)
        try:
            now = Now.of(data.get("now"))
            scene = self._acts.scene(self.store.get(now.token), now)  # whoever has the token, so without an owner
            kind, index = str(data.get("kind")), int(data.get("index", 0))
            scene = replace(scene, with_unsure=data.get("unsure") is True)
            return str(self.files.write(kind, scene, scene.origin or "", index))
        except WsisError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def closed(self, request: gr.Request) -> None:
        """A tab was closed."""
        self.store.release(owner(request))

    # --- answers -----------------------------------------------------------------------------------------------------

    def _answered(self, answer: Callable[[], Message]) -> Packed:
        """What it answers; what the visitor can mend is said in one sentence, and the screen stays as it was."""
        try:
            return self._wire(answer())
        except WsisError as error:
            return self._wire(_told(error))

    def _wire(self, message: Message) -> Packed:
        return message.wire(next(self._serial))

    def _shown(self, data: dict[str, Any]) -> Packed | None:
        """The controls of the analysis on the screen."""
        try:
            return controls_of(self.store.get(Now.of(data.get("now")).token).analysis.settings)
        except WsisError:
            return None

    def _other(self, now: Now) -> Analysis | None:
        """The analysis on the other side of the swipe, if it is still kept."""
        try:
            return self.store.get(now.other).analysis if now.other else None
        except GoneError:
            return None


def owner(request: gr.Request | None) -> str:
    """The session, one a tab."""
    return getattr(request, "session_hash", None) or ""


def columns(scene: Scene) -> list[Packed]:
    """All peaks of the picked peak's class, for the grid."""
    classes = scene.analysis.peaks.classes
    chosen = [] if scene.empty else np.flatnonzero(classes == classes[scene.peak]).tolist()
    return payload.grid(scene.analysis, chosen)


def _told(error: WsisError) -> Message:
    return messages.Gone() if isinstance(error, GoneError) else messages.Notice(text=str(error))
