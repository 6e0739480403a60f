from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wsis import Pipeline, checkpoints
from wsis.analysis import Settings
from wsis.classifier import Classifier
from wsis.kinds import Kinds
from wsis.peaks import Peaks
from wsis.response import MODES, respond

NAMES = ("tabby", "Rottweiler", "Doberman", "Siamese")
KINDS = (
    {"name": "cat", "members": [0, 3], "synonyms": ["tabby", "Siamese"]},
    {"name": "dog", "members": [1], "synonyms": ["Rottweiler", "hound"]},
    {"name": "pinscher", "members": [2], "synonyms": []},
)
OPTIONS = {"backbone": "tf_efficientnet_lite0", "classes": NAMES, "kinds": KINDS, "calibration": {"least": 2.0}}


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    torch.manual_seed(0)
    return Kinds(**OPTIONS).eval().requires_grad_(False)


def _seen(net: Kinds, logits: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    """What kinds make of these logits, (4, h, w)."""
    monkeypatch.setattr(net, "head_maps", lambda *_, **__: (logits.astype(np.float32), np.zeros(4, np.float32)))
    return net.class_maps(np.zeros((64, 64, 3), np.uint8))


def test_a_map_is_the_log_of_the_sum_of_its_members_less_the_least_that_counts(kinds, monkeypatch):
    logits = np.random.default_rng(0).normal(size=(4, 3, 5))
    maps = _seen(kinds, logits, monkeypatch).maps
    assert np.allclose(maps[0], np.logaddexp(logits[0], logits[3]) - 2, atol=1e-5)
    assert np.allclose(maps[1:], logits[1:3] - 2, atol=1e-5)


def test_scores_of_two_objects_do_not_compete_and_members_have_their_shares(kinds, monkeypatch):
    logits = np.zeros((4, 8, 10))
    logits[3, :, :5], logits[0, :, :5], logits[1, :, 5:] = 12, 11, 12  # a cat beside a dog
    found = _seen(kinds, logits, monkeypatch)
    assert found.classes == ("cat", "dog", "pinscher")
    assert found.scores[0] > 0.9
    assert found.scores[1] > 0.9
    assert found.scores[2] < 0.01
    assert set(found.members) == {"cat"}
    (first, share), (second, rest) = found.members["cat"]
    assert (first, second) == ("Siamese", "tabby")
    assert share == pytest.approx(np.e / (1 + np.e), abs=1e-5)
    assert share + rest == pytest.approx(1)


def test_slope_bias_and_discount_are_of_the_log_odds(monkeypatch):
    logits = np.random.default_rng(1).normal(size=(4, 3, 5))
    plain = _seen(Kinds(**OPTIONS), logits, monkeypatch).scores
    how = {"slope": 2.0, "bias": 1.0, "discount": 0.5}
    moved = _seen(Kinds(**{**OPTIONS, "calibration": how}), logits, monkeypatch).scores
    odds = np.log(plain / (1 - plain)) - 0.5 * np.log([2, 1, 1])
    assert np.allclose(moved, 1 / (1 + np.exp(-2 * odds - 1)), atol=1e-5)


@pytest.mark.parametrize("members", [[0], [0, 3, 1], [0, 9]])
def test_every_row_is_in_exactly_one_kind(members):
    wrong = ({**KINDS[0], "members": members}, *KINDS[1:])
    with pytest.raises(ValueError, match="every row of the head in exactly one"):
        Kinds(**{**OPTIONS, "kinds": wrong})


def _peaks(classes: list[int]) -> Peaks:
    n = len(classes)
    one = np.ones(n, np.float32)
    return Peaks(np.array(classes), np.full(n, 1), np.full(n, 2), one, one, (4, 6))


@pytest.mark.parametrize("mode", MODES)
def test_a_response_begins_at_the_members_by_their_shares(kinds, mode):
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    plain = Classifier("tf_efficientnet_lite0", NAMES).eval()
    plain.load_state_dict(kinds.state_dict())
    of_rows = respond(plain, image, _peaks([0, 1, 2, 3]), mode="gradient" if mode == "gradient" else mode)
    of_kinds = respond(kinds, image, _peaks([0, 1, 2]), mode=mode)
    assert np.allclose(of_kinds[1:], of_rows[1:3], rtol=1e-4, atol=1e-7)
    if mode == "excitation":  # probabilities add up; gradients are clamped after they are summed
        shares = kinds(image)[0, [0, 3], 1, 2].softmax(0).numpy()
        assert np.allclose(of_kinds[0], shares[0] * of_rows[0] + shares[1] * of_rows[3], rtol=1e-3, atol=1e-6)


def test_a_folder_brings_kinds_synonyms_and_one_instance_for_kin(tmp_path: Path, kinds, photo):
    folder = tmp_path / "kin"
    checkpoints.save_module(kinds, folder, "classifier", OPTIONS)
    pipeline = Pipeline.load(str(folder), device="cpu")
    assert isinstance(pipeline.checkpoint.classifier, Kinds)
    assert pipeline.classes == ("cat", "dog", "pinscher")
    assert pipeline.synonyms["dog"] == ("Rottweiler", "hound")
    analysis = pipeline.analyse(photo, Settings(enhancer="none", classes=("Siamese", "rottweiler", "CAT")))
    assert analysis.settings.classes == ("cat", "dog")
    assert {instance.name for instance in analysis.instances()} <= {"cat", "dog"}
    assert len(analysis.instances())


def test_the_whole_backbone_ends_where_the_networks_own_head_begins():
    import timm

    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_lite0", output_stride=16).eval()
    whole = Classifier("tf_efficientnet_lite0", [str(i) for i in range(1000)], whole=True).eval()
    own = whole.state_dict()
    state = {k: v.view(own[k].shape) for k, v in zip(own, net.state_dict().values(), strict=True)}
    whole.load_state_dict(state)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(whole(image).mean((2, 3)), net(image), atol=1e-4)
    assert whole.backbone.channels[-1] == 1280
