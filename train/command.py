"""The command line that all trainers share: Lightning's, on one process or many, with checkpoints to rely on."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from train.checkpoint import AtomicCheckpoints, Checkpoints, read_run
from train.parallel import GlobalBatchNorm
from wsis import streams
from wsis.errors import WsisError


class Command(LightningCLI):
    """`fit` and its kin, with `--checkpoint.every_n_train_steps`; checkpoints lie in `trainer.default_root_dir`."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Checkpoints are part of every run."""
        parser.add_lightning_class_args(Checkpoints, "checkpoint")
        parser.link_arguments("trainer.default_root_dir", "checkpoint.folder", compute_fn=lambda folder: folder or ".")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Check the checkpoint to go on from before Lightning reads its settings."""
        super().parse_arguments(parser, args)
        run = self.config[self.config.subcommand].get("ckpt_path")
        if run and run not in ("last", "best"):
            read_run(Path(run))

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Add what no configuration may leave out."""
        own = self.config_init[self.subcommand]["trainer"]
        plugins = own.plugins if isinstance(own.plugins, list) else [own.plugins] if own.plugins else []
        plugins = [*plugins, AtomicCheckpoints(), *([GlobalBatchNorm()] if own.sync_batchnorm else [])]
        # `ShuffledPasses` shares out batches itself, and `GlobalBatchNorm` does what the switch would do.
        return super().instantiate_trainer(
            plugins=plugins, use_distributed_sampler=False, sync_batchnorm=False, **kwargs
        )


def main(
    module: type[L.LightningModule],
    data: type[L.LightningDataModule],
    export: Callable[..., None],
    *,
    args: ArgsType = None,
    **options: Any,
) -> None:
    """Run a trainer's command line; what a user can mend ends it with one sentence.

    Args:
        module: what learns.
        data: what it learns from.
        export: writes a run into a checkpoint folder; its parameters are the words after `export`.
        args: words of the command line, by default those of the process.
        options: of `LightningCLI`.
    """
    streams.forgive()
    words = sys.argv[1:] if args is None else args
    try:
        if words[:1] == ["export"]:
            names = list(inspect.signature(export).parameters)
            if len(words) - 1 != len(names):
                raise WsisError(f"export takes {len(names)} words: {' '.join(map(str.upper, names))}.")
            export(*words[1:])
            return
        Command(
            module,
            data,
            args=args,
            seed_everything_default=0,
            trainer_defaults={"sync_batchnorm": True, **_torchrun()},
            save_config_kwargs={"overwrite": True},  # a run that goes on writes its settings again
            **options,
        )
    except WsisError as error:
        sys.exit(str(error))


def _torchrun() -> dict[str, Any]:
    """What `torchrun` has decided already, so that nobody has to say it twice."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return {}
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return {"strategy": "ddp", "devices": local, "num_nodes": int(os.environ["WORLD_SIZE"]) // local}
