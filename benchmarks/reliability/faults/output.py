"""Where results go: full, read-only or vanishing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.reliability.faults import disks, results
from benchmarks.reliability.faults.outcome import Fault, Outcome, judged, sentence
from benchmarks.reliability.faults.processes import ROOT, Surroundings, segment_words, segmenting

FULL = "No space left on device"


def _never_starts(workdir: Path, photos: Path, out: Path, words: str, **usual: Surroundings) -> Outcome:
    """Nothing can be written, which is said before any work is done."""
    with segmenting(workdir, photos, "--out", out, **usual) as running:
        code = running.ended()
    return judged(
        running.err,
        exit_code_2=code == 2,
        sentence=sentence(running.err) and running.err.count("\n") == 1,
        why=f"Nothing can be written to {out}: {words}." in running.err,
        nothing_done=not running.out,
        nothing_half=not results.leftovers(out.parent),
    )


def disk_full(workdir: Path, photos: Path) -> Outcome:
    """Disk fills up while results are written.

    exit code 1, photos that did not fit reported, the rest whole and equal; nothing half written
    """
    clean, _ = results.clean(photos)
    with disks.small(workdir / "disk", 4 * 4096) as out:
        with segmenting(workdir, photos, "--out", out) as running:
            code = running.ended()
        lost = running.err.splitlines()
        fit = [path for path in results.files(out) if path.suffix == ".png"]
        return judged(
            lost[0] if lost else "",
            exit_code_1=code == 1,
            sentence=sentence(running.err),
            reported=bool(lost) and all(FULL in line for line in lost),
            some_fit=0 < len(fit) < 2 * len(list(photos.iterdir())),
            whole=results.whole(out) and not results.leftovers(out),
            equal=all(path.read_bytes() == (clean / path.relative_to(out)).read_bytes() for path in fit),
        )


def disk_full_over_old_results(workdir: Path, photos: Path) -> Outcome:
    """Disk is full when results are to be replaced.

    exit code 2 and a sentence at once, all old results as they were
    """
    clean, _ = results.clean(photos)
    with disks.small(workdir / "disk", 2**20) as out:
        shutil.copytree(clean, out, dirs_exist_ok=True)
        before = {path: path.read_bytes() for path in results.files(out)}
        disks.fill(out)
        outcome = _never_starts(workdir, photos, out, FULL)
        after = {path: path.read_bytes() for path in before}
        return outcome if after == before else judged(outcome.said, old_results=False)


def no_inode_left(workdir: Path, photos: Path) -> Outcome:
    """No inode is left on the disk.

    exit code 2 and a sentence at once
    """
    with disks.small(workdir / "disk", 2**20, inodes=3) as out:  # for the disk itself, semantic/ and instance/
        (out / "semantic").mkdir()
        (out / "instance").mkdir()
        return _never_starts(workdir, photos, out, FULL)


def files_too_large(workdir: Path, photos: Path) -> Outcome:
    """A limit on the size of files, which pictures exceed (EFBIG).

    exit code 1, each photo reported, no half picture
    """
    out = workdir / "out"
    with segmenting(
        workdir, photos, "--out", out, "--overlays", surroundings=Surroundings(file_bytes=2 * 4096)
    ) as running:
        code = running.ended()
    why = results.reasons(out)
    return judged(
        next(iter(why.values()), ""),
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        each_reported=len(why) == len(list(photos.iterdir())),
        why=all("File too large" in reason for reason in why.values()),
        nothing_half=not results.leftovers(out) and not list(out.glob("figure/*")),
    )


def folder_read_only(workdir: Path, photos: Path) -> Outcome:
    """Output folder without the right to write.

    exit code 2 and a sentence at once
    """
    out = workdir / "out"
    for name in ("semantic", "instance"):
        (out / name).mkdir(parents=True)
        (out / name).chmod(0o555)
    out.chmod(0o555)
    try:
        return _never_starts(workdir, photos, out, "Permission denied", surroundings=Surroundings(powerless=True))
    finally:
        for folder in (out, *out.iterdir()):
            folder.chmod(0o755)


def disk_read_only(workdir: Path, photos: Path) -> Outcome:
    """Output folder on a file system mounted for reading.

    exit code 2 and a sentence at once
    """
    with disks.read_only(workdir / "disk") as out:
        return _never_starts(workdir, photos, out, "Read-only file system")


def folder_vanishes(workdir: Path, photos: Path) -> Outcome:
    """Output folder deleted after the first photo.

    made anew: exit code 0, the list and all later photos equal to a run without the fault
    """
    clean, _ = results.clean(photos)
    out, first = workdir / "out", min(path.stem for path in photos.iterdir())
    with segmenting(workdir, photos, "--out", out) as running:
        seen = running.until(lambda: f"/{len(list(photos.iterdir()))}] {first}" in running.out)
        shutil.rmtree(out)
        code = running.ended()
    wanted = {path.relative_to(clean) for path in results.files(clean) if path.stem != first}
    return judged(
        running.out.splitlines()[-1],
        in_time=seen,
        exit_code_0=code == 0 and not running.err,
        list_equal=results.entries(out) == results.entries(clean),
        later_photos={path.relative_to(out) for path in results.files(out)} >= wanted,
        whole=results.whole(out) and not results.leftovers(out),
    )


def folder_becomes_a_file(workdir: Path, photos: Path) -> Outcome:
    """Output folder replaced by a file after the first photo.

    exit code 1, all later photos and the list reported, the file untouched
    """
    out, names = workdir / "out", sorted(path.stem for path in photos.iterdir())
    with segmenting(workdir, photos, "--out", out) as running:
        seen = running.until(lambda: f"] {names[0]}" in running.out)
        out.rename(workdir / "away")
        out.write_text("mine")
        code = running.ended()
    return judged(
        running.err.splitlines()[-1] if running.err else "",
        in_time=seen,
        exit_code_1=code == 1,
        sentence=sentence(running.err),
        reported=all(f"{stem}.png cannot be written" in running.err for stem in names[2:]),
        list_reported="instances.json cannot be written" in running.err,
        file_untouched=out.read_text() == "mine",
    )


def link_loop(workdir: Path, photos: Path) -> Outcome:
    """Output folder is a link to itself.

    exit code 2 and a sentence
    """
    (workdir / "loop").symlink_to(workdir / "loop")
    return _never_starts(workdir, photos, workdir / "loop", "File exists")


def name_too_long(workdir: Path, photos: Path) -> Outcome:
    """Output folder with a name of 300 letters.

    exit code 2 and a sentence
    """
    return _never_starts(workdir, photos, workdir / ("a" * 300), "File name too long")


def _real(workdir: Path, photos: Path, redirect: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell, for what happens at its very end."""
    words = [sys.executable, "-m", "wsis", "segment", *segment_words(photos, "--out", workdir / "out")]
    script = f'"$@" {redirect}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def log_full(workdir: Path, photos: Path) -> Outcome:
    """Standard output goes to a full disk (/dev/full).

    a code that is not 0, a sentence, everything on disk whole
    """
    done = _real(workdir, photos, "> /dev/full")
    return judged(
        done.stderr,
        exit_code_not_0=done.returncode in (1, 2),
        sentence=sentence(done.stderr) and FULL in done.stderr,
        whole=results.whole(workdir / "out") and not results.leftovers(workdir / "out"),
    )


def reader_leaves(workdir: Path, photos: Path) -> Outcome:
    """Standard output's reader leaves after a line (`| head -1`).

    no traceback, everything on disk whole
    """
    done = _real(workdir, photos, "| head -1")
    return judged(
        done.stderr or done.stdout,
        sentence="Traceback" not in done.stderr and "Exception ignored" not in done.stderr,
        first_line=done.stdout.startswith("[1/"),
        whole=results.whole(workdir / "out") and not results.leftovers(workdir / "out"),
    )


FAULTS: dict[str, Fault] = {
    one.__name__: one
    for one in (
        disk_full, disk_full_over_old_results, no_inode_left, files_too_large, folder_read_only, disk_read_only,
        folder_vanishes, folder_becomes_a_file, link_loop, name_too_long, log_full, reader_leaves,
    )
}  # fmt: skip
SLOW = {"log_full", "reader_leaves"}
