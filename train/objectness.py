"""Train the network that says how likely a proposal is one whole object, class-agnostic and outside VOC.

`python -m train.objectness fit --config train/configs/objectness.yaml --data.masks '[FOLDER]' --data.contours CKPT`,
then `python -m train.objectness export RUN.ckpt checkpoints/NAME`. Contours, proposals and their features are computed
first and kept in `.cache/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from train import command, data, parallel
from train.checkpoint import read_run, weights_of
from train.contours import HELD_OUT, index_map
from train.endless import DrawnItems, EndlessData, data_of
from train.schedules import one_cycle
from wsis import checkpoints, ground_truth, index_image
from wsis.analysis import WORK_SIZE
from wsis.errors import WsisError
from wsis.ground_truth import GroundTruth
from wsis.image import resized
from wsis.proposals import contours, generate, objectness
from wsis.proposals.contours import ContourNet
from wsis.proposals.objectness import LEVELS, ObjectnessNet
from wsis.proposals.proposal_set import ProposalSet, resized_labels

CACHE = Path(".cache/objectness")
VERSION = 1
"""Changes with what is kept of a photo, so that files made by an older recipe are not read."""
GOOD = 0.4
"""IoU above which a proposal shows an instance: about a sixth of all do, and two fifths of a `sample`."""
PER_INSTANCE = 24
Inputs = tuple[list[Tensor], Tensor, Tensor, Tensor, Tensor]
"""What `ObjectnessNet.forward` takes."""


def nameless_iou(proposals: ProposalSet, masks: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """IoU of every proposal with every instance, over the pixels that are not ignored.

    Args:
        proposals: N proposals.
        masks: (G, H, W) bool instances, on the proposals' grid.
        ignored: (H, W) bool pixels that count for nobody.

    Returns:
        (N, G) float32 in [0, 1].
    """
    semantic = np.where(ignored, index_image.VOID, 0).astype(np.uint8)
    nameless = GroundTruth(masks, np.zeros(len(masks), np.int64), semantic)
    return ground_truth.overlaps(proposals, nameless).iou.astype(np.float32)


def describe(item: data.InstanceMasks, net: ContourNet) -> dict[str, np.ndarray]:
    """All that training reads of one photo.

    Args:
        item: photo and instances; their masks may have another size.
        net: contours and features.

    Returns:
        For R regions, N proposals and G instances: `features_0`, `features_1` (R, C) float16; `areas` (R,) float32;
        `members` (N, R) and `touching` (R, R), bits packed along the last axis; `shape` (N, 13) float32; `iou` (N, G)
        float16.
    """
    work = resized(data.read_rgb(item.image), WORK_SIZE)
    edges, maps = contours.look(net, work)
    proposals = generate.generate(work, edges)
    features, areas, members, touching, shape = objectness.inputs(maps, proposals, edges)
    size = proposals.size
    masks = np.stack([resized_labels(mask, size) for mask in item.masks()])
    ignored = resized_labels(index_map(item) == index_image.VOID, size)
    return {
        **{f"features_{i}": part.astype(np.float16) for i, part in enumerate(features)},
        "areas": areas,
        "members": np.packbits(members > 0, axis=1),
        "touching": np.packbits(touching > 0, axis=1),
        "shape": shape,
        "iou": nameless_iou(proposals, masks[masks.any((1, 2))], ignored).astype(np.float16),
    }


def ensure(items: Sequence[data.InstanceMasks], net: ContourNet, cache: Path | None = None) -> list[Path]:
    """The file of each photo with what `describe` says about it, computing those that are not on disk yet.

    Args:
        items: photos and instances.
        net: contours and features, in evaluation mode.
        cache: folder, `CACHE` by default; one sub-folder per network.

    Returns:
        One `.npz` a photo.
    """
    folder = Path(cache or CACHE) / fingerprint(net)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / _name(item) for item in items]
    missing = [(item, file) for item, file in zip(items, files, strict=True) if not file.exists()]
    if missing:
        net = net.to("cuda" if torch.cuda.is_available() else "cpu")
    for number, (item, file) in enumerate(missing):
        if number % 100 == 0:
            print(f"proposals: {number} of {len(missing)}", flush=True)
        data.save_arrays(file, **describe(item, net))
    return files


def fingerprint(net: ContourNet) -> str:
    """Twelve digits that change whenever the network or the recipe does."""
    digest = hashlib.sha256(repr((VERSION, WORK_SIZE, net.options)).encode())
    for value in net.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def sample(iou: np.ndarray, rng: np.random.Generator, most: int = 320) -> np.ndarray:
    """Proposals to learn from: of every instance some that show it, and others that show none.

    Args:
        iou: (N, G) float32 in [0, 1].
        rng: what draws.
        most: at most so many show an instance; the others fill up to that number, and are at least half of it.

    Returns:
        (P,) int64 indices, each once.
    """
    best = iou.max(1)
    shown = [rng.permutation(np.flatnonzero(column > GOOD))[:PER_INSTANCE] for column in iou.T]
    shown.append(rng.permutation(np.flatnonzero(best > GOOD))[: most // 4])
    good = np.unique(np.concatenate(shown))[:most]
    rest = rng.permutation(np.flatnonzero(best <= GOOD))[: max(most - len(good), most // 2)]
    return np.concatenate([good, rest])


class RatedProposals(DrawnItems[tuple[Inputs, Tensor]]):
    """Proposals of photos, their features and IoU; items are addressed by number or by (number, draw)."""

    def __init__(self, files: Sequence[Path], *, most: int | None, seed: int = 0) -> None:
        """Keep what is needed to read.

        Args:
            files: of `ensure`, of photos with at least one instance.
            most: see `sample`; None for all proposals.
            seed: together with a photo's number it fixes which ones; they are the same in every pass.
        """
        self.files, self.most, self.seed = files, most, seed

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.files)

    def __getitem__(self, key: tuple[int, int] | int) -> tuple[Inputs, Tensor]:
        """What the network takes, and (P,) float32 targets: the highest IoU with any instance."""
        number = key[0] if isinstance(key, tuple) else key
        with np.load(self.files[number]) as content:
            kept = dict(content)
        iou, regions = kept["iou"].astype(np.float32), len(kept["areas"])
        if self.most is None:
            chosen = np.arange(len(iou))
        else:
            chosen = sample(iou, np.random.default_rng((self.seed, number)), self.most)
        parts = [
            kept["areas"],
            np.unpackbits(kept["members"][chosen], axis=1, count=regions),
            np.unpackbits(kept["touching"], axis=1, count=regions),
            kept["shape"][chosen],
            iou[chosen].max(1),
        ]
        features = [torch.from_numpy(kept[f"features_{i}"]).float() for i in range(len(LEVELS))]
        areas, members, touching, shape, target = (torch.from_numpy(part).float() for part in parts)
        return (features, areas, members, touching, shape), target


class ObjectProposals(EndlessData):
    """Proposals of the photos of one or more mask folders (`images/`, `masks/`) or of COCO instances."""

    channels: list[int]
    train_set: RatedProposals
    val_set: RatedProposals

    def __init__(
        self,
        contours: Path,
        masks: tuple[Path, ...] = (),
        coco: tuple[Path, Path] | None = None,
        most: int = 320,
        batch_size: int = 8,
        **walk: Any,
    ) -> None:
        """Describe the data.

        Args:
            contours: checkpoint folder whose contour network finds the proposals and gives their features.
            masks: folders that `train.data.mask_folder` reads; never VOC's own masks.
            coco: a COCO instances JSON and its photo folder.
            most: proposals of a photo, see `sample`.
            batch_size: photos a step, all processes together.
            walk: see `EndlessData`; the seed fixes the choice of proposals too.
        """
        super().__init__(batch_size=batch_size, **walk)
        self.contours, self.masks, self.coco, self.most = contours, masks, coco, most

    def files(self) -> list[Path]:
        """One file a photo; they are computed where they are not cached yet."""
        items = data.all_masks(self.masks, [self.coco] if self.coco else [])
        net = checkpoints.load(str(self.contours)).contours
        if net is None:
            raise WsisError(f"{self.contours} has no contour network. Train one first: python -m train.contours.")
        return ensure(items, net)

    def prepare_data(self) -> None:
        """Compute what is not cached yet."""
        self.files()

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's name of what is about to run
        """Split off the photos that validate: those that validate contours too, whose network never learnt them."""
        files = self.files()
        instances = [_shape(file, "iou")[1] for file in files]
        if sum(n > 0 for n in instances) < HELD_OUT:
            raise WsisError(
                "Too few photos with instances to train objectness: pass --data.masks '[FOLDER]' or "
                "--data.coco '[JSON, IMAGES]'."
            )
        self.channels = [_shape(files[0], f"features_{i}")[1] for i in range(len(LEVELS))]
        train = [file for i, file in enumerate(files) if i % HELD_OUT and instances[i]]
        rest = [file for i, file in enumerate(files) if not i % HELD_OUT and instances[i]]
        self.train_set = RatedProposals(train, most=self.most, seed=self.seed)
        self.val_set = RatedProposals(rest, most=None)

    def train_dataloader(self) -> DataLoader[Any]:
        """Endless shuffled photos, cut into epochs; a batch is a list, for photos differ in regions and proposals."""
        return self.endless(self.train_set, collate=list)

    def val_dataloader(self) -> DataLoader[Any]:
        """Held-out photos with all their proposals."""
        part = RatedProposals(parallel.share(self.val_set.files), most=None)
        return DataLoader(part, self.batch_size, collate_fn=list)


class Objectness(L.LightningModule):
    """ObjectnessNet with binary cross entropy against the IoU, a soft target."""

    def __init__(
        self,
        channels: tuple[int, int] = (48, 1248),
        widths: tuple[int, int] = (24, 96),
        hidden: int = 192,
        lr: float = 2e-3,
        decay: float = 1e-2,
        seed: int = 0,
    ) -> None:
        """Describe the training.

        Args:
            channels: of the contour network's features; those of EfficientNet-Lite2 by default.
            widths: see `ObjectnessNet`, as `hidden`.
            hidden: width of the hidden layers.
            lr: peak learning rate of the one-cycle schedule.
            decay: AdamW's weight decay.
            seed: fixes what dropout leaves out.
        """
        super().__init__()
        self.save_hyperparameters()
        self.channels, self.lr, self.decay, self.seed = list(channels), lr, decay, seed
        self.net = ObjectnessNet(channels, widths, hidden)
        self.val_loss = MeanMetric()
        self.correlation = MeanMetric(nan_strategy="ignore")

    def setup(self, stage: str) -> None:  # noqa: ARG002 - Lightning's name of what is about to run
        """Check that the features are those that the network was built for."""
        given = data_of(self.trainer).channels
        if given != self.channels:
            raise WsisError(
                f"The contour network's features have {given} channels, not {self.channels}: "
                f"pass --model.channels '{given}'."
            )

    def on_train_start(self) -> None:
        """Lightning leaves modes as it finds them: without this, dropout could stay off."""
        self.net.train()

    def training_step(self, batch: list[tuple[Inputs, Tensor]]) -> Tensor:
        """Mean of the photos' cross entropies: a photo with many proposals weighs no more than one with few."""
        losses = []
        for place, (inputs, target) in enumerate(batch, parallel.rank() * len(batch)):
            # From the step and the place in the whole batch: a resumed run, and one of more processes, drop the same.
            torch.manual_seed(parallel.draw_seed(self.seed, 3, self.global_step, place))
            losses.append(self.loss(self.net(*inputs), target))
        loss = torch.stack(losses).mean()
        self.log("loss", loss, prog_bar=True, on_step=True, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return loss

    def validation_step(self, batch: list[tuple[Inputs, Tensor]]) -> None:
        """The same loss, and the mean over photos of the correlation between the logits and IoU of all proposals."""
        logits = [self.net(*inputs) for inputs, _ in batch]
        targets = [target for _, target in batch]
        losses = [self.loss(said, target) for said, target in zip(logits, targets, strict=True)]
        for said, target in zip(logits, targets, strict=True):
            self.correlation.update(torch.corrcoef(torch.stack([said.float(), target]))[0, 1])
        self.val_loss.update(torch.stack(losses))
        self.log("val_loss", self.val_loss, prog_bar=True, batch_size=len(batch))
        self.log("val_correlation", self.correlation, prog_bar=True, batch_size=len(batch))

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean binary cross entropy of one photo's proposals, both (P,); a scalar back."""
        return F.binary_cross_entropy_with_logits(logits.float(), target)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, one-cycle."""
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.lr, weight_decay=self.decay)
        return one_cycle(optimizer, self.trainer, self.lr, rising=0.3)


def export(run: Path, folder: Path) -> None:
    """Write the objectness network of a run's `.ckpt` into a checkpoint folder."""
    content = read_run(run)
    net = ObjectnessNet(*(content["hyper_parameters"][key] for key in ("channels", "widths", "hidden")))
    net.load_state_dict(weights_of(content, "net."))
    checkpoints.save_module(net, folder, "objectness", net.options)


def _name(item: data.InstanceMasks) -> str:
    """Photos of two data sets may share a name, and a photo may be annotated twice."""
    if item.index is not None and not item.index.is_file():
        raise WsisError(f"{item.index} is missing: every photo in images/ needs an index PNG of its name in masks/.")
    masks = repr(item.rles).encode() if item.index is None else item.index.read_bytes()
    place = hashlib.sha256(str(item.image.resolve()).encode() + masks).hexdigest()[:12]
    return f"{item.image.stem}-{place}.npz"


def _shape(file: Path, name: str) -> tuple[int, ...]:
    with np.load(file) as content:
        return content[name].shape


if __name__ == "__main__":
    command.main(Objectness, ObjectProposals, export)
