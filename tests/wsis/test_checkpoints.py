from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from wsis import checkpoints
from wsis.classifier import Classifier
from wsis.errors import WsisError


@pytest.fixture
def own(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may break."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "own"))


def _edit(folder: Path, **entries: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_folder_gives_every_network_ready_to_use(tiny_checkpoint: Path) -> None:
    found = checkpoints.load(tiny_checkpoint)
    assert set(found.icns) == set(checkpoints.ICNS)
    assert found.contours is not None
    assert found.folder == tiny_checkpoint
    assert found.card["text"].startswith("# tiny")
    assert set(found.card["modules"]) == {"classifier", "contours", "objectness", *checkpoints.ICNS}
    for module in (found.classifier, found.contours, *found.icns.values()):
        assert not any(m.training for m in module.modules())
        assert not any(p.requires_grad for p in module.parameters())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"


def test_weights_survive_to_half_precision_and_vectors_exactly(tmp_path: Path) -> None:
    module = Classifier("tf_efficientnet_lite0", ("cat", "dog"))
    norm = next(m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d))
    norm.running_var.fill_(1e6)  # beyond float16
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["cat", "dog"]}
    file = checkpoints.save_module(module, tmp_path, "classifier", options)
    assert file.stat().st_size < 2.3 * sum(p.numel() for p in module.parameters())
    found = checkpoints.load(tmp_path).classifier
    assert found.classes == ("cat", "dog")
    for key, value in module.state_dict().items():
        expected = value.half().float() if value.is_floating_point() and value.ndim > 1 else value
        assert torch.equal(found.state_dict()[key], expected), key


def test_saving_again_replaces_one_network_and_keeps_the_others(own: Path) -> None:
    before = json.loads((own / "config.json").read_text())["modules"]
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["one"]}
    checkpoints.save_module(Classifier(**options), own, "classifier", options)
    after = json.loads((own / "config.json").read_text())["modules"]
    assert after["contours"] == before["contours"]
    assert after["classifier"]["sha256"] != before["classifier"]["sha256"]
    assert checkpoints.load(own).classifier.classes == ("one",)
    assert not list(own.glob("*.tmp"))


def test_whoever_may_read_the_folder_may_read_its_networks(tmp_path: Path) -> None:
    made = checkpoints.save_module(Classifier("tf_efficientnet_lite0", ["cat"]), tmp_path, "classifier", {})
    (tmp_path / "plain").touch()
    assert made.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_unknown_network_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(WsisError, match="no network 'decoder'"):
        checkpoints.save_module(torch.nn.Linear(1, 1), tmp_path, "decoder", {})
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_weights_fail_their_hash(own: Path, damage: str) -> None:
    file = own / "contours.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:-100]
    else:
        content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WsisError, match=r"contours\.safetensors is damaged: its SHA-256"):
        checkpoints.load(own)


def test_missing_weights_are_named(own: Path) -> None:
    (own / "icn-saliency.safetensors").unlink()
    with pytest.raises(WsisError, match=r"Weights not found: .*icn-saliency\.safetensors"):
        checkpoints.load(own)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "damaged or not of this project"),
        ("[]", "damaged or not of this project"),
        ('{"model_type": "bert"}', "damaged or not of this project"),
        ('{"format": 1, "modules": []}', "damaged or not of this project"),
        ('{"format": 1, "modules": {"classifier": {"file": "x"}}}', "damaged or not of this project"),
        ('{"format": 99, "modules": {}}', "has format 99"),
        ('{"format": 1, "modules": {}}', "has no classifier"),
        ('{"format": 1, "modules": {"x": {"file": "x", "sha256": "", "options": {}}}}', "networks this version"),
    ],
)
def test_foreign_config_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WsisError, match=sentence):
        checkpoints.load(tmp_path)


@pytest.mark.parametrize("file", ["../classifier.safetensors", "/etc/passwd", "classifier.ckpt"])
def test_config_reaches_no_file_elsewhere_and_no_pickle(own: Path, file: str) -> None:
    modules = json.loads((own / "config.json").read_text())["modules"]
    modules["classifier"]["file"] = file
    _edit(own, modules=modules)
    with pytest.raises(WsisError, match=r"expected a \.safetensors file beside it"):
        checkpoints.load(own)


def test_options_that_do_not_fit_are_refused(own: Path) -> None:
    modules = json.loads((own / "config.json").read_text())["modules"]
    modules["contours"]["options"] = {"depth": 3}
    _edit(own, modules=modules)
    with pytest.raises(WsisError, match="builds no contours"):
        checkpoints.load(own)


def test_another_networks_weights_are_refused(own: Path) -> None:
    modules = json.loads((own / "config.json").read_text())["modules"]
    modules["classifier"] |= {key: modules["contours"][key] for key in ("file", "sha256")}
    _edit(own, modules=modules)
    with pytest.raises(WsisError, match="weights of another network"):
        checkpoints.load(own)


@pytest.mark.parametrize("network", ["classifier", "contours", "objectness", *checkpoints.ICNS])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_network_may_hold_nan_or_infinity(own: Path, network: str, value: float) -> None:
    file = own / f"{network}.safetensors"
    state = load_file(file)
    key = next(key for key in reversed(list(state)) if state[key].is_floating_point())
    state[key].view(-1)[0] = value
    save_file(state, file)
    modules = json.loads((own / "config.json").read_text())["modules"]
    modules[network]["sha256"] = checkpoints._sha256(file)
    _edit(own, modules=modules)
    with pytest.raises(WsisError, match=rf"{network}\.safetensors cannot be used: {key} holds numbers"):
        checkpoints.load(own)


def test_saving_keeps_what_float16_cannot_hold_and_refuses_nan(tmp_path: Path) -> None:
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["cat"]}
    module = Classifier(**options)
    module.head.weight.data.fill_(1e6)
    checkpoints.save_module(module, tmp_path, "classifier", options)
    assert checkpoints.load(tmp_path).classifier.head.weight.eq(1e6).all()
    module.head.bias.data.fill_(float("nan"))
    with pytest.raises(WsisError, match=r"head\.bias holds numbers that are not finite"):
        checkpoints.save_module(module, tmp_path, "classifier", options)
    assert checkpoints.load(tmp_path).classifier.head.weight.eq(1e6).all()


def test_damaged_card_is_named(own: Path) -> None:
    (own / "metrics.json").write_text("{")
    with pytest.raises(WsisError, match="card"):
        checkpoints.load(own)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("voc-huge", "There is no model 'voc-huge'"),
        ("", "There is no model ''"),
        ("..", "no checkpoint"),
        ("runs/last.ckpt", "is a file"),
        ("model.pth", "is a file"),
        ("keras:resnet50", "There is no model"),
        ("timm:nosuchnet", "timm has no model 'nosuchnet'"),
        ("torchvision:nosuchnet", "torchvision has no classifier 'nosuchnet'"),
    ],
)
def test_unknown_names_are_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(WsisError, match=sentence) as caught:
        checkpoints.load(name)
    assert "\n" not in str(caught.value)


def test_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "last.ckpt")
    with pytest.raises(WsisError, match="pickles, which are refused"):
        checkpoints.load(tmp_path)


def test_weights_belong_to_foreign_models_only(own: Path) -> None:
    with pytest.raises(WsisError, match="brings its own"):
        checkpoints.load(own, weights="x.safetensors")


def test_every_embedded_checkpoint_is_small() -> None:
    for name in checkpoints.names():
        found = checkpoints.load(name)
        for file in found.folder.glob("*.safetensors"):
            assert file.stat().st_size <= (13e6 if name == "imagenet-lite" else 12e6), file  # a head of 1,000 rows
        assert found.card["text"], f"{name} has no card"


class TestForeignWeights:
    """`timm:NAME weights=FILE labels=FILE`: a classifier made by somebody else."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[Path, Path]:
        import timm

        net = timm.create_model("resnet18", num_classes=3)
        save_file(net.state_dict(), tmp_path / "net.safetensors")
        (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
        return tmp_path / "net.safetensors", tmp_path / "labels.txt"

    def test_its_head_becomes_class_maps(self, files: tuple[Path, Path], photo: np.ndarray) -> None:
        weights, labels = files
        found = checkpoints.load("timm:resnet18", weights=weights, labels=labels)
        assert found.name == "timm:resnet18"
        assert found.folder is None
        result = found.classifier.class_maps(photo, sizes=(160,))
        assert result.classes == ("cat", "dog", "bird")
        assert result.maps.shape == (3, 6, 10)
        assert result.scores.sum() == pytest.approx(1, abs=1e-5)
        own = load_file(weights)["fc.weight"]
        assert torch.equal(found.classifier.head.weight[..., 0, 0], own)

    def test_cut_file(self, files: tuple[Path, Path]) -> None:
        weights, labels = files
        weights.write_bytes(weights.read_bytes()[:-50])
        with pytest.raises(WsisError, match="damaged or no safetensors file"):
            checkpoints.load("timm:resnet18", weights=weights, labels=labels)

    def test_file_of_something_else(self, files: tuple[Path, Path]) -> None:
        _, labels = files
        with pytest.raises(WsisError, match="damaged or no safetensors file"):
            checkpoints.load("timm:resnet18", weights=labels, labels=labels)

    @pytest.mark.parametrize("suffix", checkpoints.PICKLES)
    def test_pickle(self, files: tuple[Path, Path], tmp_path: Path, suffix: str) -> None:
        torch.save({}, tmp_path / f"net{suffix}")
        with pytest.raises(WsisError, match="is a pickle"):
            checkpoints.load("timm:resnet18", weights=tmp_path / f"net{suffix}", labels=files[1])

    def test_missing_file(self, files: tuple[Path, Path], tmp_path: Path) -> None:
        with pytest.raises(WsisError, match="Weights not found"):
            checkpoints.load("timm:resnet18", weights=tmp_path / "no.safetensors", labels=files[1])

    def test_another_network(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(WsisError, match="weights of another network"):
            checkpoints.load("torchvision:mobilenet_v2", weights=files[0], labels=files[1])

    def test_other_number_of_labels(self, files: tuple[Path, Path]) -> None:
        for text, names in (("cat\ndog\n", "2 names"), ("cat\n", "1 name"), ('["a", "b", "c", "d"]', "4 names")):
            files[1].write_text(text)
            says = rf"labels.txt holds {names}, but .*was trained for 3 \(fc.weight is \(3, 512\)\)"
            with pytest.raises(WsisError, match=says):
                checkpoints.load("timm:resnet18", weights=files[0], labels=files[1])
        with pytest.raises(WsisError, match=r"Without labels there are ImageNet's 1000 names, but .*for 3"):
            checkpoints.load("timm:resnet18", weights=files[0])

    def test_labels_as_json(self, files: tuple[Path, Path]) -> None:
        for text in ('["cat", "potted plant", "dog"]', '{"0": "cat", "2": "dog", "1": "potted plant"}'):
            files[1].write_text(text)
            found = checkpoints.load("timm:resnet18", weights=files[0], labels=files[1]).classifier
            assert found.classes == ("cat", "potted plant", "dog")
        for text in ("[1, 2, 3]", '{"cat": 0}', '{"0": ["n01", "cat"]}', '["cat", ""]'):
            files[1].write_text(text)
            with pytest.raises(WsisError, match=r"JSON with \d entries, not all of them names"):
                checkpoints.load("timm:resnet18", weights=files[0], labels=files[1])

    def test_names_that_wrappers_put_before_tensors(self, files: tuple[Path, Path]) -> None:
        state = load_file(files[0])
        save_file({f"module.{key}": value for key, value in state.items()}, files[0])
        found = checkpoints.load("timm:resnet18", weights=files[0], labels=files[1])
        assert torch.equal(found.classifier.head.weight[..., 0, 0], state["fc.weight"])
        files[1].write_text("cat\ndog\n")
        with pytest.raises(WsisError, match=r"holds 2 names, but .*was trained for 3"):
            checkpoints.load("timm:resnet18", weights=files[0], labels=files[1])

    def test_finite_weights_whose_answer_is_not(self, files: tuple[Path, Path]) -> None:
        state = load_file(files[0])
        state["bn1.running_var"] -= 5
        save_file(state, files[0])
        with pytest.raises(WsisError, match="puts out NaN or infinity"):
            checkpoints.load("timm:resnet18", weights=files[0], labels=files[1])


class TestFill:
    """Tensors of a file into a network, as training programs leave them."""

    @pytest.fixture
    def net(self) -> nn.Module:
        layers = {"conv1": nn.Conv2d(3, 4, 3), "bn1": nn.BatchNorm2d(4), "fc": nn.Linear(4, 3)}
        return nn.Sequential(OrderedDict(layers))

    @pytest.fixture
    def state(self, net: nn.Module) -> dict[str, torch.Tensor]:
        return {key: torch.ones_like(value) for key, value in net.state_dict().items()}

    @staticmethod
    def _filled(net: nn.Module, state: Mapping[str, torch.Tensor]) -> bool:
        checkpoints.fill(net, state, Path("net.safetensors"))
        return all(value.eq(1).all() for key, value in net.state_dict().items() if checkpoints.COUNTER not in key)

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.model."])
    def test_names_behind_wrappers(self, net: nn.Module, state: dict[str, torch.Tensor], prefix: str) -> None:
        wrapped = {f"{prefix}{key}": value for key, value in state.items()}
        assert self._filled(net, wrapped)
        assert self._filled(net, wrapped | {"criterion.weight": torch.zeros(9), "n_averaged": torch.tensor(3)})
        del wrapped[f"{prefix}bn1.bias"]
        with pytest.raises(WsisError, match=r"weights of another network: it lacks bn1\.bias"):
            self._filled(net, wrapped)

    def test_a_compiled_part_and_two_networks_in_one_file(self, net: nn.Module, state: dict[str, torch.Tensor]) -> None:
        assert self._filled(net, {key.replace("conv1.", "conv1._orig_mod."): value for key, value in state.items()})
        with pytest.raises(WsisError, match="weights of another network"):  # which of the two is meant?
            self._filled(net, {f"{kind}.{key}": v for key, v in state.items() for kind in ("model", "module")})
        with pytest.raises(WsisError, match=r"it has head\.bias, which this network has not"):
            self._filled(net, state | {"head.bias": torch.ones(3)})

    def test_a_network_with_such_a_name_of_its_own(self, state: dict[str, torch.Tensor]) -> None:
        inner = nn.Sequential(OrderedDict(model=nn.Linear(4, 3)))
        assert self._filled(inner, {"model.weight": state["fc.weight"], "model.bias": state["fc.bias"]})
        assert self._filled(inner, {"module.model.weight": state["fc.weight"], "module.model.bias": state["fc.bias"]})

    @pytest.mark.parametrize("counter", [None, torch.tensor([7]), torch.tensor(7), torch.zeros(0)])
    def test_counters_of_batch_norm_do_not_matter(
        self, net: nn.Module, state: dict[str, torch.Tensor], counter: torch.Tensor | None
    ) -> None:
        del state["bn1.num_batches_tracked"]
        assert self._filled(net, state | ({} if counter is None else {"bn1.num_batches_tracked": counter}))
        assert net.bn1.num_batches_tracked == (7 if counter is not None and counter.numel() else 0)
        assert self._filled(net, state | {"old.num_batches_tracked": torch.tensor(1)})

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("key", ["fc.bias", "bn1.running_var", "conv1.weight"])
    def test_numbers_that_are_not_finite(
        self, net: nn.Module, state: dict[str, torch.Tensor], key: str, value: float
    ) -> None:
        state[key].view(-1)[-1] = value
        with pytest.raises(WsisError, match=rf"cannot be used: {key} holds numbers that are not finite"):
            self._filled(net, state)

    @pytest.mark.parametrize(("kind", "large"), [(torch.float16, 1e5), (torch.float64, 1e300)])
    def test_numbers_beyond_their_range(
        self, net: nn.Module, state: dict[str, torch.Tensor], kind: torch.dtype, large: float
    ) -> None:
        state["fc.weight"] = torch.full((3, 4), large, dtype=torch.float64).to(kind)
        with pytest.raises(WsisError, match=r"fc\.weight holds numbers that are not finite"):
            self._filled(net, state)
        with pytest.raises(WsisError, match=r"holds fc\.weight as int8"):
            self._filled(net, state | {"fc.weight": torch.ones((3, 4), dtype=torch.int8)})

    @pytest.mark.parametrize("kind", ["plain", "state_dict", "model", "ema", "model_ema"])
    def test_the_documented_conversion_of_training_files(
        self, net: nn.Module, state: dict[str, torch.Tensor], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = Path(checkpoints.__file__).parents[1] / "docs" / "troubleshooting.md"
        lines = page.read_text(encoding="utf-8").splitlines()
        line = next(one for one in lines if one.startswith('python -c "') and "torch.load" in one)
        assert "weights_only=True" in line
        stale = {key: torch.zeros_like(value) for key, value in state.items()}
        run = {"epoch": 3, "best": 0.5, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {0: stale}}}
        wrapped = {f"module.{key}": value for key, value in state.items()}
        content = {
            "plain": OrderedDict(state),
            "state_dict": run | {"state_dict": wrapped},
            "model": run | {"model": state},
            "ema": run | {"model": stale, "ema": state},
            "model_ema": run | {"state_dict": stale, "model_ema": wrapped | {"n_averaged": torch.tensor(2)}},
        }[kind]
        torch.save(content, tmp_path / "net.pth")
        monkeypatch.chdir(tmp_path)
        with torch.serialization.safe_globals([]):
            exec(line.removeprefix('python -c "').removesuffix('"'), {})
        assert self._filled(net, checkpoints.read_safetensors(tmp_path / "net.safetensors"))


@pytest.mark.realdata
def test_imagenet_network_names_a_cat(data_root: Path, photo: np.ndarray, tmp_path: Path) -> None:
    from wsis import adapter

    weights = data_root / "weights" / "mobilenet_v2_imagenet.safetensors"
    if not weights.exists():
        pytest.skip(f"{weights.name} is not there")
    labels = tmp_path / "labels.txt"
    labels.write_text("# mean: .5 .5 .5\n# std: .5 .5 .5\n" + "\n".join(adapter.imagenet_labels().classes))
    found = checkpoints.load("torchvision:mobilenet_v2", weights=weights, labels=labels).classifier.class_maps(photo)
    assert found.classes[found.scores.argmax()] in ("Egyptian cat", "tabby", "tiger cat")


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "w.pkl", "w.ckpt", "w.safetensors", "w"])
def test_pickled_weights_are_refused_unopened(boom, name, tmp_path):
    (tmp_path / name).write_bytes(boom)
    with pytest.raises(WsisError, match=r"pickle|no safetensors"):
        checkpoints.read_safetensors(tmp_path / name)


@pytest.mark.parametrize("file", ["../classifier.safetensors", "/etc/passwd", "a/b.safetensors", "classifier.pt", ""])
def test_a_checkpoint_names_files_beside_it_only(file, tiny_checkpoint, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config["modules"]["classifier"]["file"] = file
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WsisError, match=r"expected a \.safetensors file beside it"):
        checkpoints.load(folder)


@pytest.fixture
def sharing(own: Path) -> Path:
    """A folder beside `own` with a classifier of its own and all other networks of that one."""
    folder = own.parent / "other"
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["one"]}
    checkpoints.save_module(Classifier(**options), folder, "classifier", options)
    for name in ("contours", "objectness", *checkpoints.ICNS):
        checkpoints.share(folder, name, own.name)
    return folder


def test_a_network_of_another_checkpoint_is_the_same_and_in_memory_once(own: Path, sharing: Path) -> None:
    source, found = checkpoints.load(own), checkpoints.load(sharing)
    assert found.classifier.classes == ("one",)
    assert not list(sharing.glob("contours*"))
    assert found.contours is source.contours
    assert all(found.icns[name] is source.icns[name] for name in checkpoints.ICNS)
    assert found.classifier is not source.classifier
    assert checkpoints.load(own).classifier is not source.classifier  # training changes classifiers
    assert found.card["modules"]["contours"] == {
        "from": "own",
        "sha256": source.card["modules"]["contours"]["sha256"],
    }


def test_what_is_shared_from_a_sharing_checkpoint_is_its_owners(own: Path, sharing: Path) -> None:
    third = own.parent / "third"
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["two"]}
    checkpoints.save_module(Classifier(**options), third, "classifier", options)
    checkpoints.share(third, "contours", sharing.name)
    assert checkpoints.load(third).card["modules"]["contours"]["from"] == "own"


def test_both_folders_may_move_together(own: Path, sharing: Path, tmp_path: Path) -> None:
    for folder in (own, sharing):
        shutil.move(folder, tmp_path / "moved" / folder.name)
    assert checkpoints.load(tmp_path / "moved" / "other").contours is not None


def test_an_embedded_checkpoint_is_found_from_everywhere(tmp_path: Path) -> None:
    options = {"backbone": "tf_efficientnet_lite0", "classes": ["one"]}
    checkpoints.save_module(Classifier(**options), tmp_path / "own", "classifier", options)
    checkpoints.share(tmp_path / "own", "objectness", "voc-lite")
    assert checkpoints.load(tmp_path / "own").objectness is not None


def test_a_missing_or_changed_owner_is_one_sentence(own: Path, sharing: Path, tmp_path: Path) -> None:
    config = json.loads((own / "config.json").read_text())
    config["modules"]["contours"]["sha256"] = "0" * 64
    (own / "config.json").write_text(json.dumps(config))
    with pytest.raises(WsisError, match=r"with another contours than that of the model 'own' in .*SHA-256 differs"):
        checkpoints.load(sharing)
    shutil.rmtree(own)
    with pytest.raises(WsisError, match="its contours from the model 'own', which is neither embedded nor a folder"):
        checkpoints.load(sharing)
    with pytest.raises(WsisError, match="no network 'contours' to share from 'own'"):
        checkpoints.share(tmp_path / "new", "contours", "own")


@pytest.mark.parametrize("source", ["", ".", "..", "../own", "/etc", "a\\b", "a\nb", "x" * 200])
def test_a_shared_network_comes_from_a_name_and_no_path(sharing: Path, source: str) -> None:
    modules = json.loads((sharing / "config.json").read_text())["modules"]
    _edit(sharing, modules={**modules, "contours": {**modules["contours"], "from": source}})
    with pytest.raises(WsisError, match="neither embedded nor a folder beside it"):
        checkpoints.load(sharing)


def test_networks_that_share_in_a_circle_are_one_sentence(own: Path, sharing: Path) -> None:
    modules = json.loads((own / "config.json").read_text())["modules"]
    modules["contours"] = {"from": "other", "sha256": modules["contours"]["sha256"]}
    _edit(own, modules=modules)
    with pytest.raises(WsisError, match="with another contours than that"):
        checkpoints.load(sharing)


def test_a_damaged_file_is_told_though_the_network_is_in_memory(own: Path) -> None:
    loaded = checkpoints.load(own)
    file = own / "contours.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WsisError, match="is damaged"):
        checkpoints.load(own)
    assert loaded.contours is not None


def test_a_classifier_is_folded_once_and_anew_when_it_has_learned(tiny_checkpoint, photo):
    one, other = checkpoints.load(tiny_checkpoint), checkpoints.load(tiny_checkpoint)
    before = one.folded
    assert one.folded is before
    assert dataclasses.replace(one, name="again").folded is before
    assert other.folded is not before
    expected = one.classifier.class_maps(photo).maps
    np.testing.assert_allclose(before.class_maps(photo).maps, expected, atol=1e-4 * np.abs(expected).max())
    with torch.no_grad():
        one.classifier.head.bias += 1
    np.testing.assert_allclose(one.folded.class_maps(photo).maps, expected + 1, atol=1e-4 * np.abs(expected).max())
