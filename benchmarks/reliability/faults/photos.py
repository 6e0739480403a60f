"""Photos that change, vanish or were never any, between being listed and being read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.reliability.faults import results
from benchmarks.reliability.faults.outcome import Fault, NotHereError, Outcome, judged, sentence
from benchmarks.reliability.faults.processes import AS_USUAL, Surroundings, segmenting


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A change that puts something else where a photo was."""

    def change(file: Path) -> None:
        file.unlink()
        make(file)

    return change


def _later(workdir: Path, photos: Path, change: Callable[[Path], object], *said: str) -> Outcome:
    """Change the last photo once the first was done: it is reported, all else equals a run without the fault."""
    few, out = workdir / "photos", workdir / "out"
    shutil.copytree(photos, few)
    first, *_, last = sorted(few.iterdir())
    with segmenting(workdir, few, "--out", out) as running:
        running.until((out / "semantic" / f"{first.stem}.png").exists)
        change(last)
        early = not (out / "semantic" / f"{last.stem}.png").exists()
        code = running.ended()
    why = results.reasons(out).get(last.name, "")
    return judged(
        why,
        in_time=early,
        exit_code_1=code == 1,
        sentence=sentence(running.err) and why in running.err,
        named=last.name in why,
        why=all(words in why for words in said),
        others_equal=results.equal(out, photos, without=(last.stem,)),
    )


def vanishes(workdir: Path, photos: Path) -> Outcome:
    """Photo deleted after it was listed.

    exit code 1, that photo reported, all others equal to a run without the fault
    """
    return _later(workdir, photos, Path.unlink, "There is no file")


def cut_short(workdir: Path, photos: Path) -> Outcome:
    """Photo cut to half after it was listed.

    exit code 1, reported as truncated, all others equal
    """
    return _later(workdir, photos, lambda file: os.truncate(file, file.stat().st_size // 2), "truncated")


def emptied(workdir: Path, photos: Path) -> Outcome:
    """Photo emptied after it was listed.

    exit code 1, reported as empty, all others equal
    """
    return _later(workdir, photos, lambda file: os.truncate(file, 0), "is empty")


def becomes_a_folder(workdir: Path, photos: Path) -> Outcome:
    """Photo replaced by a folder after it was listed.

    exit code 1, reported as a folder, all others equal
    """
    return _later(workdir, photos, _replaced(Path.mkdir), "is a folder")


def becomes_a_pipe(workdir: Path, photos: Path) -> Outcome:
    """Photo replaced by a pipe (FIFO) that nobody writes to.

    does not hang: exit code 1, reported, all others equal
    """
    return _later(workdir, photos, _replaced(os.mkfifo))


def becomes_endless(workdir: Path, photos: Path) -> Outcome:
    """Photo replaced by a link to /dev/zero.

    does not read on for ever: exit code 1, reported, all others equal
    """
    return _later(workdir, photos, _replaced(lambda file: file.symlink_to("/dev/zero")))


def becomes_a_loop(workdir: Path, photos: Path) -> Outcome:
    """Photo replaced by a link to itself.

    exit code 1, reported, all others equal
    """
    return _later(workdir, photos, _replaced(lambda file: file.symlink_to(file)))


def cut_while_read(workdir: Path, photos: Path) -> Outcome:
    """Photo of 8 megapixels cut short while it is being read.

    exit code 1, reported as truncated, all others equal
    """
    if not Path("/proc/self/fdinfo").is_dir():
        raise NotHereError("no /proc that says who reads what")
    few, out, big = workdir / "photos", workdir / "out", workdir / "photos" / "0.png"
    shutil.copytree(photos, few)
    noise = np.random.default_rng(0).integers(0, 256, (2400, 3600, 3), np.uint8)
    Image.fromarray(noise).save(big, compress_level=1)
    with segmenting(workdir, few, "--out", out) as running:
        caught = running.until(lambda: _reads(running.pid, big), pause=0)
        os.truncate(big, 4096)
        code = running.ended()
    why = results.reasons(out).get(big.name, "")
    return judged(
        why,
        caught=caught,
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        why="truncated" in why and big.name in why,
        others_equal=results.equal(out, photos, failed=(big.stem,)),
    )


def _reads(pid: int, file: Path) -> bool:
    """Whether a process has read some of a file, but less than 20 MB."""
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if descriptor.readlink() == file:
                position = int((descriptor.parents[1] / "fdinfo" / descriptor.name).read_text().split()[1])
                return 4096 < position < 20 * 2**20
    except OSError:  # closed meanwhile
        pass
    return False


def forbidden(workdir: Path, photos: Path) -> Outcome:
    """Photo without the right to read it.

    exit code 1, reported, all others equal
    """
    few, out = workdir / "photos", workdir / "out"
    shutil.copytree(photos, few)
    last = max(few.iterdir())
    last.chmod(0)
    with segmenting(workdir, few, "--out", out, surroundings=Surroundings(powerless=True)) as running:
        code = running.ended()
    why = results.reasons(out).get(last.name, "")
    return judged(
        why,
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        why="Permission denied" in why and last.name in why,
        others_equal=results.equal(out, photos, without=(last.stem,)),
    )


def _nothing(workdir: Path, given: Path, surroundings: Surroundings = AS_USUAL) -> Outcome:
    """What was given is no photo and no folder of any: exit code 1 or 2 and a sentence, and no hanging."""
    with segmenting(workdir, given, "--out", workdir / "out", surroundings=surroundings) as running:
        code = running.ended()
    return judged(running.err, exit_code_1_or_2=code in (1, 2), sentence=sentence(running.err))


def folder_forbidden(workdir: Path, photos: Path) -> Outcome:
    """Folder of photos without the right to list it.

    exit code 1 or 2 and a sentence
    """
    few = workdir / "photos"
    shutil.copytree(photos, few)
    few.chmod(0)
    try:
        return _nothing(workdir, few, Surroundings(powerless=True))
    finally:
        few.chmod(0o755)


def folder_is_a_loop(workdir: Path, _photos: Path) -> Outcome:
    """Folder of photos is a link to itself.

    exit code 1 or 2 and a sentence
    """
    (workdir / "photos").symlink_to(workdir / "photos")
    return _nothing(workdir, workdir / "photos")


def pipe_given(workdir: Path, _photos: Path) -> Outcome:
    """A pipe (FIFO) given as the photo.

    does not hang: exit code 1 or 2 and a sentence
    """
    os.mkfifo(workdir / "cat.jpg")
    return _nothing(workdir, workdir / "cat.jpg")


@cache
def _needed(photos: Path) -> int:
    """Bytes that the small photos need: what else runs on a machine changes it by a tenth."""
    with TemporaryDirectory() as folder:
        plenty = Surroundings(more_memory=2**40)
        with segmenting(Path(folder), photos, "--out", f"{folder}/out", surroundings=plenty) as running:
            if running.ended():
                raise RuntimeError(f"the run with plenty of memory failed: {running.err}")
            return running.memory


def _too_large(workdir: Path, photos: Path, big: Image.Image, a_pixel: float) -> Outcome:
    """One photo too many for the memory: it is reported for that reason, all others equal.

    `a_pixel` bytes for each of its pixels are there beside what the small ones need. A large photo needs three for as
    long as it is analysed, and six, but no networks, when it is decoded.
    """
    few, out, file = workdir / "photos", workdir / "out", workdir / "photos" / "0.png"
    shutil.copytree(photos, few)
    big.save(file)
    little = Surroundings(more_memory=_needed(photos) + int(a_pixel * big.width * big.height))
    # One at a time, or the others run short while the large one holds what there is.
    with segmenting(workdir, few, "--out", out, "--workers", "1", surroundings=little) as running:
        code = running.ended()
    why = results.reasons(out).get(file.name, "") if (out / "manifest.json").exists() else ""
    return judged(
        why or running.err or running.out,
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        why=file.name in why and "memory" in why,
        others_equal=bool(why) and results.equal(out, photos, failed=(file.stem,)),
    )


def too_large_for_memory(workdir: Path, photos: Path) -> Outcome:
    """Memory runs out when one photo of 75 megapixels is analysed (RLIMIT_AS).

    exit code 1, that photo reported with the reason, all others equal
    """
    return _too_large(workdir, photos, Image.new("1", (10_000, 7_500)), 1.5)


def too_large_to_decode(workdir: Path, photos: Path) -> Outcome:
    """Memory runs out when one photo of 99 megapixels is decoded (RLIMIT_AS).

    exit code 1, that photo reported with the reason, all others equal
    """
    return _too_large(workdir, photos, Image.new("RGB", (11_000, 9_000)), 0.75)


def network_raises(workdir: Path, photos: Path) -> Outcome:
    """A network raises an unexpected error at one photo.

    exit code 1, that photo reported, all others equal
    """
    out, first = workdir / "out", min(photos.iterdir())
    (workdir / "broken").write_text("the matrix has no inverse")
    with segmenting(workdir, photos, "--out", out, surroundings=Surroundings(broken=workdir / "broken")) as running:
        code = running.ended()
    why = results.reasons(out).get(first.name, "")
    return judged(
        running.err,
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        why="unexpected RuntimeError: the matrix has no inverse" in why,
        others_equal=results.equal(out, photos, without=(first.stem,)),
    )


FAULTS: dict[str, Fault] = {
    f"photo_{one.__name__}": one
    for one in (
        vanishes, cut_short, emptied, becomes_a_folder, becomes_a_pipe, becomes_endless, becomes_a_loop, cut_while_read,
        forbidden, folder_forbidden, folder_is_a_loop, pipe_given, too_large_for_memory,
        too_large_to_decode, network_raises,
    )
}  # fmt: skip
SLOW = {"photo_cut_while_read", "photo_too_large_for_memory", "photo_too_large_to_decode"}
