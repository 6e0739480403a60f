"""`make container-check`: the Dockerfile's steps, and its app at work, without a container engine.

An empty root gets what the base image stands for (this machine's /usr and Python), then each step of the Dockerfile
is carried out in it: RUN as it is written, with packages of this machine only, COPY with what .dockerignore leaves.
Then the app runs as `docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges` would run it,
and without a network: process 1, the image's user and environment, nothing but /tmp to write to. It must become
healthy, find something in a photo, leave nothing outside /tmp and stop on SIGTERM. It needs Linux, root and util-linux.

What it cannot show: that the base image and PyTorch's index can be reached, and what another release of Python does.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
INSIDE = "WSIS_CONTAINER_CHECK"
DOCKERFILE = ROOT / "Dockerfile"
ETC = ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "hosts", "ld.so.cache", "default",
       "pam.d", "security", "mime.types", "fonts")  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom")
PATIENCE = 300
"""Seconds that the app may take to become healthy."""
GRACE = 10
"""Seconds that `docker stop` leaves."""
UNDERSTOOD = {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}


class CheckError(Exception):
    """The Dockerfile, or the app in it, is not as it should be."""


@dataclass(frozen=True)
class Step:
    """An instruction of a Dockerfile: its word and what follows, on one line."""

    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """The instructions of a Dockerfile.

    Raises:
        CheckError: one that this script does not carry out.
    """
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            found.append(Step(word.upper(), rest.strip()))
    if unknown := {step.word for step in found} - UNDERSTOOD:
        raise CheckError(f"The Dockerfile says {', '.join(sorted(unknown))}, which this check does not carry out.")
    return found


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether .dockerignore leaves a path out: the last pattern that fits it or a folder above it counts."""
    out = False
    places = [path, *(str(above) for above in PurePosixPath(path).parents)]
    for pattern in patterns:
        keep, bare = pattern.startswith("!"), pattern.lstrip("!").strip("/")
        if any(re.fullmatch(_glob(bare), place) for place in places):
            out = not keep
    return out


def _glob(pattern: str) -> str:
    """A pattern of .dockerignore as a regular expression: * and ? within a name, ** over folders."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.sub(r"\*\*/|\*\*|\*|\?|[^*?]+", lambda found: parts.get(found[0], re.escape(found[0])), pattern)


def patterns(text: str) -> list[str]:
    """The patterns of a .dockerignore."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def copied(source: str, context: Path, leave: Sequence[str]) -> dict[str, Path]:
    """Files that COPY takes of a source, by their path below it; "" for a source that is a file.

    Raises:
        CheckError: there is none, or it is a link that leads out.
    """
    place = context / source
    if place.is_file():
        files = {"": place}
    else:
        files = {str(file.relative_to(place)): file for file in sorted(place.rglob("*")) if file.is_file()}
    files = {name: file for name, file in files.items() if not ignored(str(file.relative_to(context)), leave)}
    if not files:
        raise CheckError(f"COPY {source}: there is no such file, or .dockerignore leaves it out.")
    if links := [file for file in files.values() if file.is_symlink()]:
        raise CheckError(f"COPY {source}: {links[0]} is a link.")
    return files


# --- inside the namespaces -------------------------------------------------------------------------------------------


def run(*command: str | Path, **options: Any) -> None:
    """Run a command; raise what it printed if it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise CheckError(f"{shlex.join(map(str, command))} ended with {done.returncode}: {done.stdout}{done.stderr}")


def bind(source: Path, target: Path) -> None:
    """Show a folder or a device of this machine at another place, read-only."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.touch()
    run("mount", "--bind", source, target)
    if source.is_dir():
        run("mount", "-o", "remount,bind,ro", target)


def base(root: Path) -> None:
    """What the base image stands for: a Debian and a Python, with the packages of requirements.txt and no others."""
    bind(Path("/usr"), root / "usr")
    for name in ("bin", "sbin", "lib", "lib64"):
        here = Path("/") / name
        if here.is_symlink():
            (root / name).symlink_to(here.readlink())
        elif here.is_dir():
            bind(here, root / name)
    for name in ("etc", "tmp", "proc", "sys", "dev/shm", "var", "run"):
        (root / name).mkdir(parents=True)
    for name in ETC:
        here = Path("/etc") / name
        if here.is_dir():
            shutil.copytree(here, root / "etc" / name, symlinks=True)
        elif here.is_file():
            shutil.copy(here, root / "etc" / name)
    for name in DEVICES:
        bind(Path("/dev") / name, root / "dev" / name)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    python(root)


def python(root: Path) -> None:
    """An environment /venv of this machine's Python, whose packages are links to those that the app needs."""
    prefix, site = Path(sys.base_prefix), Path(shutil.__file__).parent.name
    if not prefix.is_relative_to("/usr"):  # at its own place, where its libraries are looked for
        bind(prefix, root / prefix.relative_to("/"))
    bind(Path(str(distribution("pip").locate_file(""))), root / "packages")
    packages = root / "venv" / "lib" / site / "site-packages"
    packages.mkdir(parents=True)
    (root / "venv" / "bin").mkdir()
    (root / "venv" / "bin" / "python").symlink_to(prefix / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")
    pip = root / "venv" / "bin" / "pip"
    pip.write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    pip.chmod(0o755)
    (root / "venv" / "pyvenv.cfg").write_text(f"home = {prefix}/bin\ninclude-system-site-packages = false\n")
    audit = _audit()
    needed = audit.installed(audit.requirements("requirements.txt"))
    for name in {part for one in ("pip", *needed) for part in _top_level(one)}:
        (packages / name).symlink_to(Path("/packages") / name)


def _audit() -> ModuleType:
    """The script beside this one, which knows what a list of requirements brings along."""
    spec = importlib.util.spec_from_file_location("audit", Path(__file__).with_name("audit.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


def _top_level(name: str) -> set[str]:
    """Files and folders of a package right in site-packages."""
    return {file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")}


@dataclass
class Image:
    """What the steps made.

    Attributes:
        root: the root folder.
        environment: ENV, and PATH.
        user: user and group of USER.
        folder: WORKDIR.
        command: CMD.
        health: CMD of HEALTHCHECK.
    """

    root: Path
    environment: dict[str, str]
    user: str = "0:0"
    folder: str = "/"
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


def build(root: Path, text: str, context: Path) -> Image:
    """Carry the steps out in an empty root.

    Raises:
        CheckError: one fails.
    """
    found = steps(text)
    if missing := [word for word in ("USER", "HEALTHCHECK", "CMD") if word not in {step.word for step in found}]:
        raise CheckError(f"The Dockerfile lacks {', '.join(missing)}.")
    if not all(re.fullmatch(r"[1-9]\d*:[1-9]\d*", step.rest) for step in found if step.word == "USER"):
        raise CheckError("USER must be a user's and a group's number, not root's: engines cannot check names.")
    base(root)
    image = Image(root, {"PATH": "/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    arguments: dict[str, str] = {}
    leave = patterns((context / ".dockerignore").read_text())
    for step in found:
        print(f"  {step.word} {step.rest}"[:150], flush=True)
        if step.word == "ARG":
            name, _, value = step.rest.partition("=")
            arguments[name] = value
        elif step.word == "RUN":
            if image.user != "0:0":
                raise CheckError("RUN after USER: this check runs steps as root only.")
            offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "PIP_ROOT_USER_ACTION": "ignore"}
            variables = {**arguments, **image.environment, **offline}
            run("chroot", root, "/bin/sh", "-c", f"cd {image.folder} && {step.rest}", env=variables)
        elif step.word == "WORKDIR":
            image.folder = step.rest
            (root / step.rest.strip("/")).mkdir(parents=True, exist_ok=True)
        elif step.word == "COPY":
            copy(step.rest, root / image.folder.strip("/"), context, leave)
        elif step.word == "USER":
            image.user = step.rest
        elif step.word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in shlex.split(step.rest))
        elif step.word == "HEALTHCHECK":
            image.health = tuple(json.loads(step.rest[step.rest.index("CMD") + 3 :]))
        elif step.word == "CMD":
            image.command = tuple(json.loads(step.rest))
    return image


def copy(rest: str, folder: Path, context: Path, leave: Sequence[str]) -> None:
    """Carry a COPY out; without options, as what it copies must belong to root."""
    *sources, target = rest.split()
    if rest.startswith("--"):
        raise CheckError(f"COPY {rest}: options would give the files to somebody else than root.")
    for source in sources:
        for name, file in copied(source, context, leave).items():
            into = target.endswith("/") and not name
            place = folder / target / (PurePosixPath(source).name if into else name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)


def seal(image: Image) -> None:
    """Make the root read-only but for /tmp, and /dev/shm as engines do."""
    run("mount", "-t", "tmpfs", "-o", "rw,noexec,nosuid,nodev,mode=1777,size=4g", "tmpfs", image.root / "tmp")
    run("mount", "-t", "tmpfs", "-o", "rw,noexec,nosuid,nodev,mode=1777,size=64m", "tmpfs", image.root / "dev/shm")
    run("mount", "-o", "remount,bind,ro", image.root)


def confined(image: Image, *command: str) -> list[str]:
    """A command as the image's user runs it: no capability, none to be had."""
    user, _, group = image.user.partition(":")
    return ["chroot", str(image.root), "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
            "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--",
            "sh", "-c", 'cd "$0" && exec "$@"', image.folder, *command]  # fmt: skip


def in_the_image(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """Run something beside the app, as `docker exec` does."""
    return subprocess.run(confined(image, *command), env=image.environment, capture_output=True, text=True, check=False)


def loopback() -> None:
    """Switch on the one device of the empty network: as `ip link set lo up`, which not every machine has."""
    get, put, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        flags = struct.unpack("16sH", fcntl.ioctl(one, get, struct.pack("16sH", b"lo", 0))[:18])[1]
        fcntl.ioctl(one, put, struct.pack("16sH", b"lo", flags | up))


@contextlib.contextmanager
def running(image: Image, log: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """The app as process 1 of its namespace; the process that waits for it, and its number here."""
    alone = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={image.root / 'proc'}"]
    with log.open("w") as output:
        waiting = subprocess.Popen([*alone, *confined(image, *image.command)], env=image.environment, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # fmt: skip
        try:
            children, child = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children"), []
            while not child and waiting.poll() is None:
                child = children.read_text().split()
                time.sleep(0.05)
            if not child:
                raise CheckError(f"The app ended by itself with {waiting.returncode}.")
            yield waiting, int(child[0])
        finally:
            waiting.kill()
            waiting.wait()


def healthy(image: Image, waiting: subprocess.Popen) -> float:
    """Wait until HEALTHCHECK's own command says so; how many seconds it took."""
    start, said = time.monotonic(), None
    while time.monotonic() - start < PATIENCE:
        if waiting.poll() is not None:
            raise CheckError(f"The app ended by itself with {waiting.returncode}.")
        said = in_the_image(image, *image.health)
        if said.returncode == 0:
            return time.monotonic() - start
        time.sleep(1)
    raise CheckError(f"The app did not become healthy in {PATIENCE} s: {said and said.stderr[-300:]}")


def privileges(pid: int, user: str) -> None:
    """The app must be nobody: not root, and without a way to become more than it is."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    wanted = {"Uid": "\t".join([user] * 4), "NoNewPrivs": "1", "NSpid": f"{pid}\t1", "Groups": ""}
    wanted |= dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)
    if wrong := {key: status[key].strip() for key, value in wanted.items() if status[key].strip() != value}:
        raise CheckError(f"The app's process is not confined: {wrong}, expected {wanted}.")


def tree(root: Path) -> dict[str, tuple[int, int, int]]:
    """Owner, mode and time of change of all that the steps wrote; the base's folders and /tmp are left out."""
    found = {}
    for name in ("app", "etc", "var", "run", "venv", "dev/shm"):
        for file in (root / name, *(root / name).rglob("*")):
            about = file.lstat()
            found[str(file.relative_to(root))] = about.st_uid, about.st_mode, about.st_mtime_ns
    return found


def cannot_write(image: Image) -> None:
    """Neither its user nor root may write anywhere but to /tmp; and its user not even if the root could be written."""
    uid = int(image.user.partition(":")[0])
    for name, (owner, mode, _) in tree(image.root).items():
        if name.startswith("app") and (owner != 0 or mode & 0o022):
            raise CheckError(
                f"/{name} belongs to {owner} with mode {mode:o}: user {uid} must not be able to change it."
            )
    places = ("/", image.folder, f"{image.folder}/wsis", "/etc", "/usr", "/var", "/venv", "/run")
    for place in places:
        for command in (confined(image, "touch", f"{place}/x"), ["chroot", str(image.root), "touch", f"{place}/x"]):
            said = subprocess.run(command, env=image.environment, capture_output=True, text=True, check=False)
            if said.returncode == 0 or "Read-only file system" not in said.stderr:
                raise CheckError(f"{place} can be written: {said.stderr}")
    if in_the_image(image, "sh", "-c", "touch /tmp/x && rm /tmp/x").returncode:
        raise CheckError("/tmp cannot be written.")


def use(address: str) -> int:
    """Send a photo as a program does; how many instances were found."""
    from gradio_client import Client, handle_file  # noqa: PLC0415

    client = Client(address, verbose=False)
    photo = ROOT / "assets" / "examples" / "2-cat.jpg"
    found = client.predict(handle_file(str(photo)), api_name="/segment")
    if not found:
        raise CheckError(f"Nothing was found in {photo.name}.")
    return len(found)


def inside(dockerfile: Path) -> None:
    """Build, run, use and stop; in namespaces of its own, so nothing of it is left."""
    loopback()
    run("mount", "--make-rprivate", "/")
    with tempfile.TemporaryDirectory() as folder:
        root, log = Path(folder) / "root", Path(folder) / "log"
        root.mkdir()
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
        try:
            check(dockerfile, root, log)
        finally:
            run("umount", "-R", "-l", root)


def check(dockerfile: Path, root: Path, log: Path) -> None:
    """See `inside`; prints what it found."""
    image = build(root, dockerfile.read_text(), ROOT)
    seal(image)
    if (entered := in_the_image(image, "true")).returncode:
        raise CheckError(f"User {image.user} cannot enter {image.folder}: {entered.stderr}")
    before = tree(root)
    cannot_write(image)
    try:
        with running(image, log) as (waiting, pid):
            seconds = healthy(image, waiting)
            privileges(pid, image.user.partition(":")[0])
            print(f"healthy after {seconds:.0f} s, as user {image.user}, process 1, no capability")
            print(f"{use('http://127.0.0.1:7860')} instances found in a photo")
            os.kill(pid, signal.SIGTERM)
            try:
                code = waiting.wait(GRACE)
            except subprocess.TimeoutExpired as error:
                raise CheckError(f"The app did not stop within {GRACE} s of SIGTERM.") from error
            if code:
                raise CheckError(f"The app ended with {code} after SIGTERM.")
        said = log.read_text()
        if bad := re.search(r"Traceback|Read-only file system|Permission denied|not a writable directory", said):
            raise CheckError(f"The app complained: {bad[0]}")
    except CheckError as error:
        raise CheckError(f"{error}\nIts output:\n{log.read_text()[-3000:]}") from error
    if before != tree(root):
        raise CheckError(f"Outside /tmp was written: {set(before.items()) ^ set(tree(root).items())}")
    left = [file for file in (root / "tmp").rglob("*") if file.is_file()]
    kinds = sorted({str(file.relative_to(root / "tmp").parts[0]) for file in left})
    print(f"stopped by SIGTERM with 0; nothing outside /tmp was written; left in /tmp: {', '.join(kinds) or 'nothing'}")


def cannot() -> str:
    """Why this machine cannot make the check; empty where it can."""
    if sys.platform != "linux":
        return "it needs Linux's namespaces"
    if os.geteuid() != 0:
        return "it needs root, to build a root file system and to be another user in it"
    if missing := [name for name in ("unshare", "setpriv", "chroot", "mount", "useradd") if not shutil.which(name)]:
        return f"it needs {', '.join(missing)}"
    if subprocess.run(
        ["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False
    ).returncode:
        return "namespaces and mounts are not allowed here"
    return ""


def main(dockerfile: Path = DOCKERFILE) -> int:
    """Enter the namespaces and make the check. Exit code 0: as it should be; 1: it is not; 2: it cannot be made."""
    if os.environ.get(INSIDE) != "1":
        if why := cannot():
            print(f"The container cannot be checked on this machine: {why}.")
            return 2
        command = ["unshare", "--mount", "--net", "--ipc", "--uts", sys.executable, __file__, str(dockerfile)]
        return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode
    try:
        inside(dockerfile)
    except CheckError as error:
        print(f"THE CONTAINER IS NOT AS IT SHOULD BE: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
