"""Checkpoints that are cut short, flipped, swapped, missing, or vanish under a running command."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.reliability.faults import embedded, results
from benchmarks.reliability.faults.outcome import Fault, Outcome, judged, sentence
from benchmarks.reliability.faults.processes import Surroundings, exploring, segmenting
from wsis import checkpoints
from wsis.errors import WsisError


def _copied(workdir: Path) -> Path:
    """A checkpoint folder of one's own."""
    return Path(shutil.copytree(embedded.folder(), workdir / "model"))


def _refused(workdir: Path, photos: Path, model: Path, named: str, surroundings: Surroundings | None = None) -> Outcome:
    """Neither the command nor the explorer start: exit code 2, one line that names the file, nothing written."""
    around, out, said = surroundings or Surroundings(), workdir / "out", []
    with segmenting(workdir, photos, "--out", out, "--model", model, surroundings=around) as running:
        codes = [running.ended()]
        said.append(running.err)
    with exploring(workdir / "explorer", "--model", model, surroundings=around) as running:
        codes.append(running.ended())
        said.append(running.err)
    return judged(
        said[0],
        segment_exit_code_2=codes[0] == 2,
        explorer_exit_code_2=codes[1] == 2,
        one_line=all(sentence(text) and len(text.splitlines()) == 1 for text in said),
        named=all(named in text for text in said),
        nothing_written=not out.exists() or not results.files(out),
    )


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _damaged(workdir: Path, photos: Path, name: str, damage: Callable[[Path], object]) -> Outcome:
    model = _copied(workdir)
    damage(model / name)
    return _refused(workdir, photos, model, name)


def weights_cut_short(workdir: Path, photos: Path) -> Outcome:
    """Weights of a network cut to half.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "classifier.safetensors", lambda file: os.truncate(file, file.stat().st_size // 2))


def weights_empty(workdir: Path, photos: Path) -> Outcome:
    """Weights of a network emptied.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "contours.safetensors", lambda file: os.truncate(file, 0))


def weights_flipped(workdir: Path, photos: Path) -> Outcome:
    """One bit of a network's weights flipped.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "icn-saliency.safetensors", lambda file: _flip(file, file.stat().st_size * 4))


def weights_swapped(workdir: Path, photos: Path) -> Outcome:
    """Weights of two networks swapped.

    segment and explorer: exit code 2 and one line that names a file
    """
    model = _copied(workdir)
    one, other, between = (model / f"{name}.safetensors" for name in ("contours", "classifier", "between"))
    one.rename(between)
    other.rename(one)
    between.rename(other)
    return _refused(workdir, photos, model, ".safetensors is damaged")


def weights_missing(workdir: Path, photos: Path) -> Outcome:
    """Weights of a network missing.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "objectness.safetensors", Path.unlink)


def weights_forbidden(workdir: Path, photos: Path) -> Outcome:
    """Weights of a network without the right to read them.

    segment and explorer: exit code 2 and one line that names the file
    """
    model = _copied(workdir)
    (model / "classifier.safetensors").chmod(0)
    return _refused(workdir, photos, model, "classifier.safetensors", Surroundings(powerless=True))


def weights_are_a_pipe(workdir: Path, photos: Path) -> Outcome:
    """Weights of a network replaced by a pipe (FIFO).

    do not hang: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "classifier.safetensors", _pipe)


def config_cut_short(workdir: Path, photos: Path) -> Outcome:
    """config.json cut to half.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "config.json", lambda file: os.truncate(file, file.stat().st_size // 2))


def config_missing(workdir: Path, photos: Path) -> Outcome:
    """config.json missing.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "config.json", Path.unlink)


def card_flipped(workdir: Path, photos: Path) -> Outcome:
    """metrics.json with a byte that is no UTF-8.

    segment and explorer: exit code 2 and one line that names the file
    """
    return _damaged(workdir, photos, "metrics.json", lambda file: _flip(file, 8 * 5 + 7))


def config_flipped(workdir: Path, _photos: Path) -> Outcome:
    """config.json with one bit flipped, 40 times.

    one sentence each time, or the same networks where the bit does not matter
    """
    model, chance, refused = _copied(workdir), random.Random(0), []
    config = model / "config.json"
    content, wrong = config.read_bytes(), []
    whole = checkpoints.load(str(model), device="cpu")
    for _ in range(40):
        bit = chance.randrange(len(content) * 8)
        config.write_bytes(content)
        _flip(config, bit)
        try:
            if not _same(checkpoints.load(str(model), device="cpu"), whole):
                wrong.append(f"bit {bit}: other networks")
        except WsisError as error:
            refused.append(str(error))
        except Exception as error:
            wrong.append(f"bit {bit}: {type(error).__name__}: {error}")
    return judged(
        wrong[0] if wrong else refused[0],
        never_crashed_and_never_other_networks=not wrong,
        refused_some=len(refused) > 10,
    )


def _same(one: checkpoints.Checkpoint, other: checkpoints.Checkpoint) -> bool:
    """Whether two checkpoints have the same networks, as far as their printed structure and classes tell."""
    parts = [(c.classifier, c.contours, c.objectness, *(c.icns[name] for name in sorted(c.icns))) for c in (one, other)]
    return len(parts[0]) == len(parts[1]) and all(str(a) == str(b) for a, b in zip(*parts, strict=True))


def vanishes_after_load(workdir: Path, photos: Path) -> Outcome:
    """Checkpoint folder deleted once the first photo is done.

    exit code 0, all results equal to a run without the fault
    """
    model, out, first = _copied(workdir), workdir / "out", min(photos.iterdir())
    model = model.rename(workdir / embedded.NAME)  # the manifest says the model's name
    with segmenting(workdir, photos, "--out", out, "--model", model) as running:
        running.until((out / "semantic" / f"{first.stem}.png").exists)
        shutil.rmtree(model)
        code = running.ended()
    return judged(
        running.out.splitlines()[-1],
        exit_code_0=code == 0 and not running.err,
        equal=results.equal(out, photos),
    )


def _flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


FAULTS: dict[str, Fault] = {
    f"model_{one.__name__}": one
    for one in (
        weights_cut_short, weights_empty, weights_flipped, weights_swapped, weights_missing, weights_forbidden,
        weights_are_a_pipe, config_cut_short, config_missing, card_flipped, config_flipped, vanishes_after_load,
    )
}  # fmt: skip
SLOW = {"model_config_flipped"}
