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

from train import precision
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
        if "classes" in inspect.signature(self._model_class.__init__).parameters:
            parser.link_arguments("data", "model.classes", lambda data: list(data.classes), apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Check the checkpoint to go on from and the precision, before Lightning reads its settings and keeps them."""
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        config.trainer.precision = precision.usable(config.trainer.precision, config.trainer.accelerator)
        run = config.get("ckpt_path")
        if run and run not in ("last", "best"):
            read_run(Path(run))

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Add what no configuration may leave out."""
        asked = self.config_init[self.subcommand]["trainer"]
        plugins = asked.plugins if isinstance(asked.plugins, list) else [asked.plugins] if asked.plugins else []
        plugins = [*plugins, AtomicCheckpoints(), *([GlobalBatchNorm()] if asked.sync_batchnorm else [])]
        # `ShuffledPasses` shares out batches itself, and `GlobalBatchNorm` does what the switch would do.
        return super().instantiate_trainer(
            plugins=plugins, use_distributed_sampler=False, sync_batchnorm=False, **kwargs
        )


def main(
    module: type[L.LightningModule],
    data: type[L.LightningDataModule],
    *words_of: Callable[..., None],
    args: list[str] | None = None,
    **options: Any,
) -> None:
    """Run a trainer's command line; what a user can mend ends it with one sentence.

    Args:
        module: what learns.
        data: what it learns from.
        words_of: what the command line can do besides, as `export`, which writes a run into a checkpoint folder; a
            function's name is the first word, its parameters are those that follow.
        args: words of the command line, by default those of the process.
        options: of `LightningCLI`.
    """
    streams.forgive()
    words = sys.argv[1:] if args is None else args
    others = {function.__name__: function for function in words_of}
    try:
        if words and words[0] in others:
            _call(others[words[0]], words[1:])
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


def _call(function: Callable[..., None], words: list[str]) -> None:
    """Call a function with paths and names from the command line."""
    parameters = inspect.signature(function).parameters.values()
    several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if len(words) < len(parameters) or (len(words) > len(parameters) and not several):
        names = " ".join(
            parameter.name.upper() + "..." * (parameter.kind is parameter.VAR_POSITIONAL) for parameter in parameters
        )
        raise WsisError(f"{function.__name__} takes {len(parameters)} words{' or more' * several}: {names}.")
    function(*words)


def _torchrun() -> dict[str, Any]:
    """What `torchrun` has decided already, so that nobody has to say it twice."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return {}
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return {"strategy": "ddp", "devices": local, "num_nodes": int(os.environ["WORLD_SIZE"]) // local}
