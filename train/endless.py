"""The base of all trainers' data: endless shuffled walks over photos, which an interrupted run takes up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from train import parallel
from wsis.errors import WsisError

Item_co = TypeVar("Item_co", covariant=True)


class DrawnItems(Dataset[Item_co]):
    """A data set that knows its length and whose items are addressed by (index, draw), see `ShuffledPasses`."""

    def __len__(self) -> int:
        """Number of photos."""
        raise NotImplementedError


class ShuffledPasses(Sampler[list[tuple[int, int]]]):
    """Batches of an endless shuffled walk over a data set.

    Step k of a training takes the same items with the same augmentation however often the run was interrupted, however
    its epochs are cut, and however many processes share a batch.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        steps: int,
        seed: int,
        *,
        done: Callable[[], int] = lambda: 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Describe the walk.

        Args:
            size: items of the data set.
            batch_size: items a step, all processes together.
            steps: steps an epoch.
            seed: fixes the order.
            done: steps taken since the start of training; asked whenever an epoch begins.
            rank: which share of each batch is this process's.
            processes: how many share a batch, equally.
        """
        self.size, self.batch_size, self.steps, self.seed, self.done = size, batch_size, steps, seed, done
        self.rank, self.share = rank, batch_size // processes

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batches of (item, number of the draw since the start of training)."""
        order: dict[int, Sequence[int]] = {}
        first = self.done()
        for step in range(first, first + self.steps):
            batch = []
            start = step * self.batch_size + self.rank * self.share
            for draw in range(start, start + self.share):
                walk, place = divmod(draw, self.size)
                if walk not in order:
                    order = {walk: np.random.default_rng((self.seed, 7, walk)).permutation(self.size).tolist()}
                batch.append((order[walk][place], draw))
            yield batch


class EndlessData(L.LightningDataModule):
    """Photos in the order of `ShuffledPasses`; a checkpoint keeps the place, also in the middle of an epoch.

    The base of what all trainers learn from. A subclass hands on what it does not describe itself.
    """

    _restored = 0

    def __init__(self, *, batch_size: int, per_epoch: int | None = None, workers: int = 1, seed: int = 0) -> None:
        """Describe the walk, and keep all parameters of the subclass for the checkpoints.

        Args:
            batch_size: photos a step, all processes together.
            per_epoch: photos between two checkpoints, cut to whole batches; all by default.
            workers: processes that read photos.
            seed: fixes order and augmentation.
        """
        super().__init__()
        self.save_hyperparameters()
        self.batch_size, self.per_epoch, self.workers, self.seed = batch_size, per_epoch, workers, seed

    def steps_done(self) -> int:
        """Steps since the start of training; Lightning's own count comes too late after an interruption."""
        return max(self._restored, self.trainer.fit_loop.total_batch_idx + 1 if self.trainer else 0)

    def state_dict(self) -> dict[str, Any]:
        """The place, for a checkpoint."""
        return {"steps": self.steps_done()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._restored = state_dict["steps"]

    def endless(self, photos: DrawnItems[Any], collate: Callable[[list[Any]], Any] | None = None) -> DataLoader[Any]:
        """This process's shares of all batches.

        Args:
            photos: data set whose items are addressed by (item, draw).
            collate: makes a batch of a list of items; tensors are stacked by default.

        Raises:
            WsisError: an epoch has no whole batch, or a batch cannot be shared equally.
        """
        size, batch_size, count = len(photos), self.batch_size, parallel.processes()
        per_epoch = self.per_epoch or size
        if not size or per_epoch < batch_size:
            raise WsisError(
                f"A batch of {batch_size} cannot be filled: there are {size} photos and {per_epoch} an epoch. "
                "Choose a smaller batch_size, a larger per_epoch, or more photos."
            )
        if batch_size % count:
            raise WsisError(
                f"A batch of {batch_size} cannot be shared equally by {count} processes: choose a batch_size that is "
                f"a multiple of {count}."
            )
        batches = ShuffledPasses(
            size,
            batch_size,
            per_epoch // batch_size,
            self.seed,
            done=self.steps_done,
            rank=parallel.rank(),
            processes=count,
        )
        return _PlacedLoader(
            photos,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=collate,
            persistent_workers=self.workers > 0,
        )


class _PlacedLoader(DataLoader[Any]):
    """Lightning takes a loader without these two for one that cannot go on; `EndlessData` keeps the place."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing more to keep."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing more to restore."""


def data_of(trainer: L.Trainer) -> Any:
    """What a trainer learns from; Lightning's type does not know the attribute. None where it was given loaders."""
    return getattr(trainer, "datamodule", None)
