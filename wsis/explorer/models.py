"""The models that a server offers: which there are, which of them are loaded, and which has to go for another one.

A model is loaded when it is first asked for, by whoever has the networks' turn, and again, silently, when it had to go
meanwhile. The folder of taught models is looked through anew at every question, so a model is there as soon as it is
saved, and one that was saved again is loaded again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from wsis import adapter, checkpoints
from wsis.errors import WsisError
from wsis.explorer import words
from wsis.explorer.networks import Networks
from wsis.explorer.origin import Key, Mark, Origin
from wsis.pipeline import Pipeline
from wsis.teaching import export

KEPT = 2
"""Of how many models, those that were used last, the networks stay in memory."""
MEGABYTES = 1024
"""Most that their weights may take; the one in use is kept whatever it takes."""
OWN = Path("checkpoints")
"""Where training puts checkpoints."""
TAUGHT = Path("models")
"""Where models that were taught are kept, unless the operator says otherwise."""
NAMED = 3
"""Models of so few classes are described by the names of these."""
Load = Callable[[str, Callable[[float], None]], Pipeline]
"""Loads by a source, and tells the share done."""


@dataclass(frozen=True)
class Known:
    """A model that may be chosen.

    Attributes:
        name: on this server; no two have the same.
        source: what it is loaded by.
        classes: that it knows, as they are found; empty where only loading tells.
        members: how many classes those are of, where they are kinds of several; 0 elsewhere.
        built_on: names of what it was taught on, else of the checkpoints whose networks it uses too.
        size: bytes to read; 0 where only loading tells.
        mark: another one as soon as the folder holds another model.
        fault: why it cannot be used; empty where it can.
    """

    name: str
    source: str
    classes: tuple[str, ...] = ()
    members: int = 0
    built_on: tuple[str, ...] = ()
    size: int = 0
    mark: Mark = ()
    fault: str = ""


@dataclass(frozen=True)
class Row:
    """A model as the menu shows it.

    Attributes:
        name: of the model.
        about: what it knows, and on which model it is built.
        note: how things stand: loaded, or what loading costs.
        state: `loaded`, `loading`, `there` or `broken`.
    """

    name: str
    about: str
    note: str
    state: str


class Models:
    """The models of a server. All methods may be called from any thread; only `get` takes long.

    Attributes:
        first: name of the model that a page opens with.
        folder: of taught models, each a folder in it as `wsis.checkpoints` reads it; it need not be there yet, and None
            keeps none. What is written there under a name that begins with a dot is not looked at.
    """

    def __init__(
        self,
        start: Pipeline,
        others: Sequence[str] = (),
        *,
        folder: Path | None = None,
        load: Load | None = None,
        megabytes: int = MEGABYTES,
        seconds: float = 0.0,
    ) -> None:
        """Hold the model to start with.

        Args:
            start: the first model, loaded.
            others: what more is offered, beside embedded, trained and taught ones: folders, `timm:NAME` and so on.
            folder: of taught models.
            load: how a model is loaded; None loads it to the device of `start`.
            megabytes: most that the weights of loaded models may take together.
            seconds: that `start` took to load; 0 where nobody knows.
        """
        self.folder, self._start, self._others = folder, start.name, tuple(others)
        self._load = load or (lambda source, told: Pipeline.load(source, device=start.device, progress=told))
        self._most, self._pace = megabytes * 2**20, 0.0
        self._described: dict[tuple[str, Mark], Known] = {}
        self._faults: dict[tuple[str, Mark], str] = {}
        self._loading, self._share, self._turn = "", 0.0, threading.Lock()
        first = next(iter(self.known().values()))
        self.first = first.name
        if first.size:
            self._pace = seconds / first.size
        self._held = OrderedDict({first.name: Networks(start, first.name, first.mark)})

    @staticmethod
    def of(models: Models | Pipeline) -> Models:
        """The same; a pipeline is the first of a server that offers nothing else by name."""
        return models if isinstance(models, Models) else Models(models)

    def known(self) -> dict[str, Known]:
        """All that may be chosen, by name: the first, others that were named, embedded, trained and taught ones."""
        found: dict[str, Known] = {}
        seen = set[str]()
        for source in self._sources():
            place = _place(source)
            if place in seen:
                continue
            seen.add(place)
            name = _name(source, found)
            found[name] = self._looked_at(name, source)
        return found

    def get(self, name: str | None = None) -> Networks:
        """A model's networks, loaded now where they are not; None asks for the first.

        Raises:
            WsisError: there is no such model, or it cannot be loaded.
        """
        name = name or self.first
        with self._turn:
            known, held = self.known().get(name), self._held.get(name)
            if held is not None and (known is None or known.fault or known.mark == held.origin.mark):
                self._held.move_to_end(name)
                return held
            if known is None:
                raise WsisError(unknown(name, self.known()))
            if known.fault:
                raise WsisError(known.fault)
            self._held.pop(name, None)  # of a folder that holds another model now
            self._held[name] = networks = self._loaded(known)
            self._tidy()
            return networks

    def has(self, name: str | None) -> bool:
        """Whether a model of this name may be asked for."""
        return not name or name in self._held or name in self.known()

    def key(self, name: str | None) -> Key | None:
        """By which analyses of a model are known as it is now; None where it is not there."""
        known = self.known().get(name or self.first)
        return None if known is None else (known.name, known.mark)

    def origin(self, name: str) -> Origin | None:
        """What is known of a model that is loaded; None of others."""
        held = self._held.get(name)
        return held.origin if held else None

    @property
    def held(self) -> int:
        """Bytes of the weights in memory; those that models share count once."""
        return _bytes(list(self._held.values()))

    def rows(self) -> list[Row]:
        """The menu."""
        return [self._row(known) for known in self.known().values()]

    @property
    def loaded(self) -> int:
        """How many models are loaded."""
        return len(self._held)

    def _loaded(self, known: Known) -> Networks:
        self._loading, self._share, begun = known.name, 0.0, time.perf_counter()
        try:
            networks = Networks(self._load(known.source, self._told), known.name, known.mark)
        except WsisError as error:
            self._faults[known.source, known.mark] = fault = _plain(error, known.source, known.name)
            raise WsisError(fault) from error
        finally:
            self._loading = ""
        if known.size:
            self._pace = (time.perf_counter() - begun) / known.size
        return networks

    def _told(self, share: float) -> None:
        self._share = share

    def _row(self, known: Known) -> Row:
        held = self._held.get(known.name)
        fault = known.fault or self._faults.get((known.source, known.mark), "")
        classes = known.classes or (held.origin.classes if held else ())
        about = _about(classes, known)
        if known.name == self._loading:
            return Row(known.name, about, f"loading, {self._share:.0%}", "loading")
        if held is not None and held.origin.mark == known.mark:
            return Row(known.name, about, "loaded", "loaded")
        return Row(known.name, about, fault or self._cost(known), "broken" if fault else "there")

    def _cost(self, known: Known) -> str:
        if not known.size:
            return ""
        if self._pace:
            return f"loads in {words.duration(self._pace * known.size)}"
        return f"{max(1, round(known.size / 2**20))} MB to load"

    def _sources(self) -> Iterator[str]:
        yield self._start
        yield from self._others
        yield from checkpoints.names()
        for home in (OWN, self.folder):
            if home is not None and home.is_dir():
                yield from (str(file.parent) for file in sorted(home.glob("[!.]*/config.json")))

    def _looked_at(self, name: str, source: str) -> Known:
        """What its folder says; read again only where that has changed."""
        if foreign(source):
            return Known(name, source)
        try:
            told = (checkpoints.find(source) / "config.json").stat()
            mark = (told.st_mtime_ns, told.st_size, told.st_ino)
        except (WsisError, OSError):
            return _read(name, source, ())  # which says what is wrong
        if (source, mark) not in self._described:
            self._described[source, mark] = _read(name, source, mark)
        return replace(self._described[source, mark], name=name)

    def _tidy(self) -> None:
        """The longest unused go until the others fit; the last one is in use."""
        while len(self._held) > 1 and (len(self._held) > KEPT or self.held > self._most):
            self._held.popitem(last=False)


def foreign(source: str) -> bool:
    """Whether a model is somebody else's classifier, `timm:NAME` or `torchvision:NAME`."""
    return source.partition(":")[0] in adapter.LIBRARIES and ":" in source


def unknown(name: str, known: Iterable[str]) -> str:
    """What is said where a model is not there."""
    return f"There is no model '{' '.join(name.split())[:80]}' on this server. Choose one of: {', '.join(known)}."


def _read(name: str, source: str, mark: Mark) -> Known:
    try:
        folder = checkpoints.find(source)
        modules = checkpoints.config(folder)["modules"]
        files = [folder / entry["file"] for entry in modules.values() if "file" in entry]
        size = sum(file.stat().st_size for file in files)
    except WsisError as error:
        return Known(name, source, mark=mark, fault=_plain(error, source, name))
    except OSError:
        size = 0  # loading says which file is missing
    own = modules.get("classifier", {}).get("options")  # None of a classifier that is another checkpoint's
    parts = (entry["from"] for entry in modules.values() if "from" in entry)
    rows = () if own is None else own.get("classes", ())
    kinds = () if own is None else own.get("kinds", ())
    return Known(
        name,
        source,
        classes=tuple(kind["name"] for kind in kinds) or tuple(rows),
        members=len(rows) if kinds else 0,
        built_on=(taught_on,) if (taught_on := export.base_of(folder)) else tuple(dict.fromkeys(parts)),
        size=size,
        mark=mark,
    )


def _plain(error: WsisError, source: str, name: str) -> str:
    """The sentence without the server's folder."""
    try:
        return str(error).replace(str(checkpoints.find(source)), name)
    except WsisError:
        return str(error).replace(source, name)


def _place(source: str) -> str:
    """By which two names of one folder are known for the same."""
    try:
        return source if foreign(source) else str(checkpoints.find(source).resolve())
    except WsisError:
        return source


def _name(source: str, taken: Mapping[str, object]) -> str:
    """What a model is called, unlike all others: its folder, where that is not enough with the folder around it."""
    if foreign(source):
        return source
    path = Path(source).expanduser().resolve()
    names = (path.name, f"{path.parent.name}/{path.name}", *(f"{path.name} ({n})" for n in range(2, len(taken) + 3)))
    return next(name for name in names if name and name not in taken)


def _about(classes: Sequence[str], known: Known) -> str:
    """What a model knows, in few words."""
    told = ", ".join(classes) if len(classes) <= NAMED else f"{len(classes):,} classes"
    if known.members:
        told = f"{known.members:,} classes in {len(classes):,} kinds"
    return " · ".join(part for part in (told, f"on {', '.join(known.built_on)}" if known.built_on else "") if part)


def _bytes(held: Iterable[Networks]) -> int:
    """Bytes of all weights, each tensor counted once."""
    sizes = {}
    for networks in held:
        for tensor in chain.from_iterable(net.state_dict().values() for net in networks.pipeline.checkpoint.networks):
            sizes[tensor.data_ptr()] = tensor.nbytes
    return sum(sizes.values())
