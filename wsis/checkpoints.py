"""Checkpoints: trained networks in safetensors files with a card, looked up by name.

A checkpoint folder holds `config.json` (which networks, built how, with which SHA-256), one `.safetensors` file a
network, `README.md` (the card: data, labels used, seeds, commands), `metrics.json` and `results.json` (its numbers),
where it was counted `trust.json` (how often its masks are right, see `wsis.trust`).
A network may be another checkpoint's: `{"from": "voc-lite", "sha256": "..."}` instead of file and options, see `share`.
Pickles are refused everywhere: they run code when they are opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wsis import adapter, devices, files, folding
from wsis.backbone import Backbone
from wsis.classifier import Classifier
from wsis.errors import WsisError
from wsis.icn import ICN
from wsis.kinds import Kinds
from wsis.proposals.contours import ContourNet
from wsis.proposals.objectness import ObjectnessNet

DEFAULT = "voc-lite"
FORMAT = 1
ICNS = ("icn-proposal", "icn-saliency", "icn-instances")
WRAPPERS = ("module", "_orig_mod", "model")
"""What DataParallel and DistributedDataParallel, torch.compile and trainers put before the names of tensors."""
COUNTER = "num_batches_tracked"
"""Of batch normalisation while it trains; evaluation never looks at it, and older files lack it."""
PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")


def _classifier(**options: Any) -> Classifier:
    return Kinds(**options) if "kinds" in options else Classifier(**options)


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "classifier": _classifier,
    "contours": ContourNet,
    "objectness": ObjectnessNet,
    **dict.fromkeys(ICNS, ICN),
}
_LOADED: WeakValueDictionary[tuple[str, ...], nn.Module] = WeakValueDictionary()
"""Networks in memory, by what they are and where; classifiers are not among them, for training changes those."""
_FOLDED: WeakKeyDictionary[Classifier, tuple[int, Classifier]] = WeakKeyDictionary()
"""Classifiers as they are looked with, and how often their weights had changed when they were folded."""
_HERE = Path(__file__).parent
_EMBEDDED = (_HERE.parent / "checkpoints", _HERE / "_checkpoints")  # in a clone, in an installed package


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Networks that work together, on one device and in evaluation mode, all but `classifier` folded (`wsis.folding`).

    Attributes:
        name: what it was loaded by.
        classifier: a `Classifier`, or a `wsis.adapter.HeadMaps` around somebody else's network.
        contours: the contour network behind the built-in proposals; None leaves colour edges.
        objectness: scores proposals from the contour network's features; None takes every proposal for an object.
        icns: enhancers by name, any of `ICNS`.
        card: `text` (Markdown), `metrics`, `results` and `trust` (the content of these JSON files) and `modules` (per
            network: file, sha256, options; or from, sha256).
        folder: where it lies; None for `timm:` and `torchvision:` models.
    """

    name: str
    classifier: Classifier
    contours: ContourNet | None = None
    objectness: ObjectnessNet | None = None
    icns: Mapping[str, ICN] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def folded(self) -> Classifier:
        """The classifier to look at photos with: quicker than `classifier`, which can be trained and written."""
        if type(getattr(self.classifier, "backbone", None)) is not Backbone:
            return self.classifier  # somebody else's, whose parts may stand in another order
        weights = self.classifier.state_dict(keep_vars=True).values()
        version = sum(tensor._version for tensor in weights)  # noqa: SLF001 - training's changes; no public count
        known = _FOLDED.get(self.classifier)
        if known is None or known[0] != version:
            known = _FOLDED[self.classifier] = version, folding.folded(self.classifier)
        return known[1]

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All of them, the folded classifier too."""
        found = self.classifier, self.folded, self.contours, self.objectness, *self.icns.values()
        return tuple(network for network in found if network is not None)


def names() -> tuple[str, ...]:
    """Names of the embedded checkpoints, sorted."""
    found = {file.parent.name for root in _EMBEDDED for file in root.glob("*/config.json")}
    return tuple(sorted(found))


def load(
    name: str | Path = DEFAULT,
    *,
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[float], object] | None = None,
) -> Checkpoint:
    """Load a checkpoint.

    Args:
        name: an embedded checkpoint (`voc-lite`), a folder made by training, or anybody's classifier: `timm:NAME` or
            `torchvision:NAME`. The latter bring class maps only; contours and enhancers are the default checkpoint's.
        weights: `.safetensors` file for `timm:` and `torchvision:`; None takes their hub's ImageNet weights.
        labels: text file with one class name a line, see `wsis.adapter.read_labels`; None means ImageNet's 1,000.
        device: where the networks go, see `wsis.devices.find`.
        progress: called with the share of the networks that are there, in [0, 1].

    Raises:
        WsisError: nothing of that name, a file is missing, damaged, a pickle or made for another network, or the hub
            cannot be reached.
    """
    device = devices.find(device)
    library, _, network = str(name).partition(":")
    if network and library in adapter.LIBRARIES:
        return _foreign(library, network, weights, labels, device)
    if weights is not None or labels is not None:
        raise WsisError(
            f"weights and labels belong to a timm: or torchvision: model; '{name}' brings its own. Leave them out."
        )
    folder = find(str(name))
    config = _read_config(folder)
    modules: dict[str, Any] = {}
    for done, (key, entry) in enumerate(config["modules"].items(), 1):
        modules[key] = _read_module(folder, key, entry, device)
        if progress:
            progress(done / len(config["modules"]))
    if "classifier" not in modules:
        raise WsisError(f"The checkpoint {folder} has no classifier. Export one: python -m train.classifier export.")
    return Checkpoint(
        name=str(name),
        classifier=modules.pop("classifier"),
        contours=modules.pop("contours", None),
        objectness=modules.pop("objectness", None),
        icns=modules,
        card=_card(folder, config),
        folder=folder,
    )


def save_module(module: nn.Module, folder: str | Path, file_stem: str, config: Mapping[str, Any]) -> Path:
    """Write one network of a checkpoint as float16 and enter it in the folder's `config.json`.

    Vectors (biases, batch-norm statistics) stay float32: they weigh next to nothing and may leave float16's range. So
    does a larger tensor that leaves it.
    Both files are written whole or not at all (`wsis.files.writing`), so an interruption leaves the old ones.

    Args:
        module: network to write; its parameters may be of any precision and on any device.
        folder: checkpoint folder, made if missing.
        file_stem: which network: `classifier`, `contours`, `objectness` or one of `ICNS`.
        config: the keyword arguments that build the network again, JSON values only.

    Returns:
        The written `.safetensors` file.

    Raises:
        WsisError: `file_stem` is no network of a checkpoint, a tensor holds NaN or infinity, or the folder holds
            something else or cannot be written to.
    """
    if file_stem not in _BUILDERS:
        raise WsisError(f"A checkpoint has no network '{file_stem}'. Choose one of: {', '.join(_BUILDERS)}.")
    folder = Path(folder)
    entry = folder / "config.json"
    whole: dict[str, Any] = _read_config(folder) if entry.exists() else {"format": FORMAT, "modules": {}}
    file = folder / f"{file_stem}.safetensors"
    state = {key: _compact(value.detach()) for key, value in module.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point():
            _check_numbers(key, value, value.dtype, file)
    content = save(state, metadata={"format": "pt", "network": file_stem})
    files.write(file, content)  # safetensors' own files can be read by nobody else
    sha256 = hashlib.sha256(content).hexdigest()
    whole["modules"][file_stem] = {"file": file.name, "sha256": sha256, "options": dict(config)}
    files.write(entry, json.dumps(whole, indent=2) + "\n")
    return file


def share(folder: str | Path, name: str, source: str) -> None:
    """Let a checkpoint use a network of another one, in place of a file of its own.

    The other one is looked for by name, so both folders may move together; an embedded one is always there.

    Args:
        folder: checkpoint folder, made if missing.
        name: which network, see `save_module`.
        source: an embedded checkpoint, or the name of a folder beside this one. What that one has from elsewhere is
            entered as being from there.

    Raises:
        WsisError: there is no such network in such a checkpoint, or the folder cannot be written to.
    """
    folder = Path(folder)
    entry = folder / "config.json"
    whole: dict[str, Any] = _read_config(folder) if entry.exists() else {"format": FORMAT, "modules": {}}
    found = next((_read_config(place)["modules"].get(name) for place in _places(folder, source)), None)
    if found is None:
        raise WsisError(
            f"There is no network '{name}' to share from '{source}': expected an embedded model "
            f"({', '.join(names())}) or a folder beside {folder}."
        )
    whole["modules"][name] = {"from": found.get("from", source), "sha256": found["sha256"]}
    files.write(entry, json.dumps(whole, indent=2) + "\n")


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, on the CPU.

    Raises:
        WsisError: the file is missing, a pickle, cut short or no safetensors file.
    """
    if file.suffix.lower() in PICKLES:
        raise WsisError(
            f"{file.name} is a pickle, which may run code when opened, so it is refused. Convert it to .safetensors."
        )
    if not file.is_file():
        raise WsisError(f"Weights not found: {file}.")
    try:
        return load_file(file)
    except (SafetensorError, ValueError, OSError) as error:
        raise WsisError(f"{file} is damaged or no safetensors file. Download or export it again.") from error


def fill(module: nn.Module, state: Mapping[str, Tensor], file: Path) -> None:
    """Load tensors into a network, in place; every tensor must have its place, its shape and finite numbers.

    Names may stand behind those of `WRAPPERS`. The counters of batch normalisation may be missing.

    Raises:
        WsisError: the tensors are of another network, or hold NaN or infinity.
    """
    every = module.state_dict()
    own = {key: value for key, value in every.items() if not key.endswith(COUNTER)}
    state = unwrapped(state, own)
    counters = {key: state[key].reshape(()) for key in every.keys() - own.keys() if state.get(key, _NONE).numel() == 1}
    state = {key: value for key, value in state.items() if not key.endswith(COUNTER)}
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or extra or wrong:
        found = (
            f"it lacks {missing[0]}" if missing else f"it has {extra[0]}, which this network has not" if extra
            else f"{wrong[0]} should be {tuple(own[wrong[0]].shape)} and is {tuple(state[wrong[0]].shape)}"
        )  # fmt: skip
        raise WsisError(f"{file} holds the weights of another network: {found}.")
    for key, value in own.items():
        if value.is_floating_point():
            _check_numbers(key, state[key], value.dtype, file)
    module.load_state_dict({**every, **counters, **state})


def unwrapped(state: Mapping[str, Tensor], own: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors under a network's own names, without `WRAPPERS` where that makes more of them fit.

    What else lies beside a wrapped network, such as the tensors of a loss, is left out.

    Args:
        state: tensors by name.
        own: the network's names.
    """
    names = {_plain(key): key for key in own}
    found = [(names.get(_plain(key), _plain(key)), key) for key in state]
    inside = {key.partition(".")[0] for name, key in found if name in own}
    if inside <= set(WRAPPERS):
        found = [(name, key) for name, key in found if key.partition(".")[0] in inside]
    renamed = {name: state[key] for name, key in found}
    better = len(own.keys() & renamed.keys()) > len(own.keys() & state.keys())
    return renamed if better and len(renamed) == len(found) else dict(state)


def _plain(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in WRAPPERS)


_NONE = torch.empty(0)


def _check_numbers(key: str, value: Tensor, dtype: torch.dtype, file: Path) -> None:
    """Raises where a tensor holds what no network computes with, once it is of the network's own kind."""
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        raise WsisError(f"{file} holds {key} as {kind}; expected numbers with a fraction. Save it without quantising.")
    if not bool(torch.isfinite(value.to(dtype)).all()):
        raise WsisError(
            f"{file} cannot be used: {key} holds numbers that are not finite (NaN, or beyond their range), as of a "
            "training that diverged. Take an earlier checkpoint of it, or save it as float32."
        )


def config(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of its networks without loading them: `format`, and `modules` by name.

    Raises:
        WsisError: the folder is no checkpoint, or of another version.
    """
    return _read_config(folder)


def find(name: str) -> Path:
    """The folder of an embedded checkpoint, or of one's own.

    Raises:
        WsisError: there is none.
    """
    if "/" not in name and "\\" not in name:
        for root in _EMBEDDED:
            if name not in ("", ".", "..") and (root / name / "config.json").is_file():
                return root / name
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    if path.suffix.lower() in (*PICKLES, ".safetensors"):
        raise WsisError(
            f"'{name}' is a file, a model is a folder with config.json. Export a training run first, "
            "or load a classifier's file with timm:NAME and weights=FILE.safetensors."
        )
    raise WsisError(
        f"There is no model '{name}'. Embedded: {', '.join(names()) or 'none'}; "
        "or give a folder, timm:NAME or torchvision:NAME."
    )


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        hint = " It holds pickles, which are refused; export them first." if _pickles(folder) else ""
        raise WsisError(f"The folder {folder} is no checkpoint: it has no config.json.{hint}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        version, modules = config["format"], config["modules"]
        fits = all(
            key in _BUILDERS
            and isinstance(entry["sha256"], str)
            and (
                isinstance(entry["file"], str) and isinstance(entry["options"], dict)
                if "from" not in entry
                else isinstance(entry["from"], str)
            )
            for key, entry in modules.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise WsisError(f"{file} is damaged or not of this project: expected 'format' and 'modules'.") from error
    if version != FORMAT:
        raise WsisError(
            f"{file} has format {str(version)[:80]}, this version of wsis reads {FORMAT}. Update wsis or export it "
            "again."
        )
    if not fits:
        raise WsisError(f"{file} names networks this version of wsis does not know; it knows: {', '.join(_BUILDERS)}.")
    return config


def _places(folder: Path, source: str) -> list[Path]:
    """Where the checkpoint of this name lies, seen from a folder: embedded, or beside it."""
    if not source.isprintable() or len(source) > 100 or source in ("", ".", "..") or {"/", "\\"} & set(source):
        return []
    return [
        root / source for root in (*_EMBEDDED, folder.absolute().parent) if (root / source / "config.json").is_file()
    ]


def _owner(folder: Path, key: str, entry: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]]:
    """The folder that holds a network, and its entry there."""
    if "from" not in entry:
        return folder, entry
    source = " ".join(entry["from"].split())[:80]
    found = [(place, _read_config(place)["modules"].get(key, {})) for place in _places(folder, entry["from"])]
    if not found:
        raise WsisError(
            f"{folder} has its {key} from the model '{source}', which is neither embedded nor a folder beside it. "
            f"Put '{source}' there."
        )
    fitting = next(
        ((place, own) for place, own in found if own.get("sha256") == entry["sha256"] and "file" in own), None
    )
    if fitting is None:
        raise WsisError(
            f"{folder} was made with another {key} than that of the model '{source}' in {found[0][0]}: its SHA-256 "
            "differs. Put the same version of it there, or export the model again."
        )
    return fitting


def _read_module(folder: Path, key: str, entry: Mapping[str, Any], device: str) -> nn.Module:
    folder, entry = _owner(folder, key, entry)
    name = entry["file"]
    file = folder / name
    if file.parent != folder or file.suffix.lower() != ".safetensors" or len(name) > 100 or not name.isprintable():
        raise WsisError(f"{folder / 'config.json'} names {name[:80]!r}; expected a .safetensors file beside it.")
    if not file.is_file():
        raise WsisError(f"Weights not found: {file}.")
    if _sha256(file) != entry["sha256"]:
        raise WsisError(
            f"{file} is damaged: its SHA-256 differs from the one in config.json. Download or export it again."
        )
    same = (key, entry["sha256"], json.dumps(entry["options"], sort_keys=True), device)
    loaded = _LOADED.get(same)
    if loaded is not None:
        return loaded
    try:
        module = _BUILDERS[key](**entry["options"])
    except Exception as error:  # whatever the layers make of numbers that are none of theirs
        raise WsisError(
            f"{folder / 'config.json'} builds no {key}: its options do not fit this version of wsis."
        ) from error
    fill(module, read_safetensors(file), file)
    module = module.eval().requires_grad_(False).to(device)
    if key != "classifier":
        _LOADED[same] = folding.fold(module)
    return module


def _foreign(
    library: str, network: str, weights: str | Path | None, labels: str | Path | None, device: str
) -> Checkpoint:
    names_file = adapter.read_labels(Path(labels)) if labels is not None else adapter.imagenet_labels()
    file = Path(weights) if weights is not None else None
    state = read_safetensors(file) if file else None
    net, mean, std = adapter.build(library, network, len(names_file.classes), pretrained=state is None)
    if file and state is not None:
        _check_count(net, state, file, len(names_file.classes), labels)
        fill(net, state, file)
    classifier = adapter.HeadMaps(net, names_file, mean, std).to(device).eval().requires_grad_(False)
    name = f"{library}:{network}"
    origin = f"weights from {file.name}" if file else f"ImageNet weights of {library}"
    text = f"# {name}\n\nSomebody else's classifier, {origin}; its own head as class maps, nothing trained here.\n"
    try:
        own = load(DEFAULT, device=device)
    except WsisError:
        own = None  # class maps, colour edges and spreading need no checkpoint
    card = {
        "text": text,
        "metrics": {},
        "results": {},
        "modules": {"classifier": {"file": file.name if file else None}},
    }
    if own is None:
        return Checkpoint(name, classifier, card=card)
    return Checkpoint(name, classifier, own.contours, own.objectness, own.icns, card)


def _check_count(
    net: nn.Module, state: Mapping[str, Tensor], file: Path, count: int, labels: str | Path | None
) -> None:
    """Raises where weights fit but for the number of classes: then the labels are wrong, not the weights."""
    own = net.state_dict()
    head = next((f"{name}.weight" for name, m in reversed([*net.named_modules()]) if isinstance(m, nn.Linear)), "")
    found = unwrapped(state, own).get(head)
    if found is None or found.ndim != 2 or found.shape[1:] != own[head].shape[1:] or len(found) == count:
        return
    names = "1 name" if count == 1 else f"{count} names"
    there = f"Without labels there are ImageNet's {names}" if labels is None else f"{labels} holds {names}"
    raise WsisError(
        f"{there}, but {file} was trained for {len(found)} ({head} is {tuple(found.shape)}). "
        "Give labels with a name a line for each of its rows."
    )


def _card(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    text = folder / "README.md"
    numbers = {name: folder / f"{name}.json" for name in ("metrics", "results", "trust")}
    try:
        read = {
            name: json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            for name, file in numbers.items()
        }
        return {
            "text": text.read_text(encoding="utf-8") if text.is_file() else "",
            **read,
            "modules": config["modules"],
        }
    except (ValueError, OSError) as error:
        some = f"{', '.join(file.name for file in numbers.values())} or {text.name}"
        raise WsisError(f"The card in {folder} cannot be read: {some} is damaged.") from error


def _compact(value: Tensor) -> Tensor:
    value = value.cpu().contiguous()
    short = value.half() if value.is_floating_point() and value.ndim > 1 else value.clone()
    return short if bool((torch.isfinite(short) == torch.isfinite(value)).all()) else value.clone()


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WsisError(f"{file} cannot be read: {error.strerror or error}.") from error


def _pickles(folder: Path) -> bool:
    return any(file.suffix.lower() in PICKLES for file in folder.iterdir())
