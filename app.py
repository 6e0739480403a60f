"""The explorer: `python app.py [--model voc-lite ...] [--device cpu] [--host 127.0.0.1] [--port 7860]`, and `--help`.

A Hugging Face Space runs it as it is, without arguments.
"""

from __future__ import annotations

import argparse
import atexit
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing leaves this host

from wsis import imports, stopping, streams
from wsis.errors import WsisError

if TYPE_CHECKING:
    from wsis.explorer.models import Models
    from wsis.explorer.server.auth import Door
    from wsis.explorer.server.turns import Limits
    from wsis.explorer.tabs.teach.lesson import Lessons

EXAMPLES = Path(__file__).parent / "assets" / "examples"
SESSIONS = 200
"""Of how many visitors, the latest, Gradio keeps what their page shows: up to 2 MB each, also when they have left."""
COUNTS = (
    *("max_upload", "max_pixels", "uploads", "memory", "models_memory", "teaching_days"),
    *("queue", "per_page", "per_address", "per_minute"),
)
UPLOADS = "wsis-uploads-"
"""Prefix of the temporary folder of uploads, which is this process's own."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="Explore peak response maps and steer how masks are chosen.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", action="append", help="an embedded checkpoint, a folder, timm:NAME or torchvision:NAME; may be "
        "given again: the page opens with the first and offers all; default: voc-lite")  # fmt: skip
    add("--models", type=Path, default=Path("models"), metavar="FOLDER", help="of taught models, each a folder in it "
        "that the page offers too; default: %(default)s")  # fmt: skip
    add("--teaching", type=Path, default=Path("models/teaching"), metavar="FOLDER", help="of what people teach on the "
        "page: photos and answers, kept as they are given; default: %(default)s")  # fmt: skip
    add("--teaching-days", type=int, metavar="N", help="teaching that nobody touched for so long is deleted at the "
        "start; default: none is")  # fmt: skip
    add("--models-memory", type=int, default=1024, metavar="MB", help="most that weights of loaded models take: the "
        "two used last stay; default: %(default)s")  # fmt: skip
    add("--weights", help="safetensors file for timm: and torchvision:")
    add("--labels", help="text file with one class name a line, for timm: and torchvision:")
    add("--device", help="cpu, gpu, cuda:1, mps, ...; default: the GPU where there is one")
    add("--host", help="address to serve on; 0.0.0.0 for everybody in the network; default: this machine only")
    add("--port", type=int, help="default: the first free one from 7860")
    add("--root-path", default="", help="where a proxy shows it, e.g. /wsis or https://example.org/wsis")
    add("--auth", action="append", default=[], metavar="USER:PASSWORD", help="who may enter; may be given again; "
        "the list of processes shows it, so better take --auth-file or the variable WSIS_AUTH")  # fmt: skip
    add("--auth-file", type=Path, help="text file with one USER:PASSWORD a line")
    add("--trust-proxy", metavar="ADDRESSES", help="of proxies whose X-Forwarded-For says who asks, e.g. 127.0.0.1 or "
        "10.0.0.0/8; default: the variable FORWARDED_ALLOW_IPS; on a Space all, else none")  # fmt: skip
    add("--max-upload", type=int, default=100, metavar="MB", help="largest file that is taken; default: %(default)s")
    add("--max-pixels", type=int, default=100, metavar="MEGAPIXELS", help="largest photo; default: %(default)s")
    add("--uploads", type=int, default=2048, metavar="MB", help="most that uploads take of the disk, the oldest go "
        "first; default: %(default)s")  # fmt: skip
    add("--memory", type=int, default=2048, metavar="MB", help="most that kept analyses hold; default: %(default)s")
    add("--queue", type=int, default=40, metavar="N", help="most requests that may wait; default: %(default)s")
    add("--per-page", type=int, metavar="N", help="of these, most from one page; default: 8")
    add("--per-address", type=int, metavar="N", help="of these, most from one address; default: half of them")
    add("--per-minute", type=int, metavar="N", help="most analyses from one address in a minute; default: 120. "
        "Where only this machine reaches the page, these three have no bound unless one is named")  # fmt: skip
    add("--log", choices=("off", "json"), default="off", help="json: a line for each request on stderr, without "
        "photos, names or addresses; default: %(default)s")  # fmt: skip
    add("--mcp", action="store_true", help="serve analyse, rank and segment as MCP tools too")
    add("--open", action="store_true", help="open the page in a browser")
    options = parser.parse_args(argv)
    options.model = options.model or ["voc-lite"]
    return options


def visitors(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """Who may enter, as pairs of name and password; empty where everybody may.

    Args:
        options: from `arguments`.
        environment: may hold WSIS_AUTH, one USER:PASSWORD a line.

    Raises:
        WsisError: the file cannot be read, or a line is no USER:PASSWORD.
    """
    lines = [*options.auth, *environment.get("WSIS_AUTH", "").splitlines()]
    if options.auth_file is not None:
        try:
            lines += options.auth_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WsisError(f"The file of --auth-file, {options.auth_file}, cannot be read as text.") from error
    pairs = [line.strip().partition(":") for line in lines if line.strip()]
    if not all(user and password for user, _, password in pairs):
        raise WsisError("Who may enter is given as USER:PASSWORD, both at least a character long.")
    if not pairs and (options.auth_file or "WSIS_AUTH" in environment):
        raise WsisError("There is no USER:PASSWORD in --auth-file or WSIS_AUTH, so nobody could enter.")
    return [(user, password) for user, _, password in pairs]


def guarded(options: argparse.Namespace) -> Door | None:
    """The check of names and passwords; None where everybody may enter. Raises as `visitors`."""
    from wsis.explorer.server.auth import Door  # noqa: PLC0415 - importing `app` loads nothing heavy

    pairs = visitors(options)
    return Door(pairs) if pairs else None


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot be served, before the networks are loaded.

    Raises:
        WsisError: an option is out of range or does not go with another.
    """
    if options.port is not None and not 0 < options.port < 65536:
        raise WsisError(f"--port must be between 1 and 65535, got {options.port}.")
    for name in COUNTS:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise WsisError(f"--{name.replace('_', '-')} must be at least 1, got {value}.")
    if options.max_pixels > 100:
        raise WsisError(f"--max-pixels must be at most 100, got {options.max_pixels}: larger photos are not read.")
    if 4 * options.max_upload > options.uploads:
        raise WsisError(f"--uploads must be at least four times --max-upload, {4 * options.max_upload} MB or more.")
    if options.root_path and not options.root_path.startswith(("/", "http://", "https://")):
        raise WsisError(f"--root-path must be a path from the root, such as /wsis, or a URL; got {options.root_path}.")
    if options.mcp and importlib.util.find_spec("mcp") is None:
        raise WsisError('--mcp needs a package that is not installed: pip install "gradio[mcp]".')
    if options.mcp and visitors(options):
        raise WsisError("--mcp cannot ask for passwords: leave out --auth, or let a proxy ask for them.")


def host(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> str:
    """The address to serve on: on a Space everybody's, elsewhere this machine's own unless another is named."""
    on_a_space = "0.0.0.0" if "SPACE_ID" in environment else "127.0.0.1"
    return options.host or environment.get("GRADIO_SERVER_NAME") or on_a_space


def local(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether nobody but people at this machine can reach the page, as far as the options tell."""
    shown_elsewhere = options.root_path or options.mcp or visitors(options, environment)
    return host(options, environment) in ("127.0.0.1", "::1", "localhost") and not shown_elsewhere


def trusted(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> str:
    """The proxies whose word counts on who asks, as uvicorn wants it; empty for none."""
    named = options.trust_proxy if options.trust_proxy is not None else environment.get("FORWARDED_ALLOW_IPS")
    return ("*" if "SPACE_ID" in environment else "") if named is None else named


def limits(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Limits:
    """How much is taken on; on a machine of one's own only the queue is bounded unless more is asked for."""
    from wsis.explorer.server.turns import Limits  # noqa: PLC0415 - importing `app` loads nothing heavy

    free = local(options, environment)
    return Limits(
        waiting=options.queue,
        page=options.per_page or (options.queue if free else 8),
        address=options.per_address or (options.queue if free else max(1, options.queue // 2)),
        minute=options.per_minute or (None if free else 120),
    )


def served(options: argparse.Namespace) -> Models:
    """The models of the server, the first of them loaded.

    Raises:
        WsisError: the first cannot be loaded, or one that was named is not there.
    """
    from wsis import checkpoints  # noqa: PLC0415 - importing `app` loads nothing heavy
    from wsis.explorer.models import Models, foreign  # noqa: PLC0415
    from wsis.pipeline import Pipeline  # noqa: PLC0415

    first, *others = options.model
    any_foreign = any(map(foreign, options.model))  # without one, loading says what these two are for
    for other in others:
        if not foreign(other):
            checkpoints.find(other)  # what cannot be read is told in the menu, what is not there now

    def load(source: str, told: Callable[[float], object] | None = None) -> Pipeline:
        own = {"weights": options.weights, "labels": options.labels} if foreign(source) or not any_foreign else {}
        return Pipeline.load(source, device=options.device, progress=told, **own)

    begun = time.perf_counter()
    pipeline = load(first)
    seconds, most = time.perf_counter() - begun, options.models_memory
    return Models(pipeline, others, folder=options.models, load=load, megabytes=most, seconds=seconds)


def lessons(options: argparse.Namespace) -> Lessons:
    """What people teach on the page, without what the operator holds for old."""
    from wsis.explorer.tabs.teach.lesson import Lessons  # noqa: PLC0415 - importing `app` loads nothing heavy

    kept = Lessons(options.teaching)
    if options.teaching_days:
        kept.sweep(options.teaching_days)
    return kept


def examples() -> dict[str, Path]:
    """The example photos by name; empty where there are none."""
    return {path.stem: path for path in sorted(EXAMPLES.glob("*.jpg"))}


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model and serve the page until it is stopped; 2 where that cannot start."""
    streams.forgive()
    options = arguments(argv)
    # FastAPI's own models make newer pydantic versions warn; nobody who starts the app can do anything about it.
    warnings.filterwarnings("ignore", message="The 'alias' attribute")
    try:
        check(options)
        door = guarded(options)
        prepare(options)
        # The imports take seconds, and --help and mistakes should not. ZeroGPU wants to come before torch.
        from wsis.explorer.server import accelerator  # noqa: PLC0415

        accelerator.spaces()
        with imports.uncollected():
            from wsis import devices  # noqa: PLC0415
            from wsis.explorer.handlers import Handlers  # noqa: PLC0415
            from wsis.explorer.layout import BACKSTOP, build, launch_options  # noqa: PLC0415
            from wsis.explorer.server.desk import Desk  # noqa: PLC0415
            from wsis.explorer.server.turns import Turns  # noqa: PLC0415
            from wsis.explorer.server.uploads import Shelf  # noqa: PLC0415
            from wsis.explorer.server.watch import Watch  # noqa: PLC0415
            from wsis.explorer.server.web import app_options, stop  # noqa: PLC0415
            from wsis.explorer.store import Store  # noqa: PLC0415
            from wsis.explorer.tabs.tune.sessions import sweep  # noqa: PLC0415

        with stopping.heard():
            models = served(options)
        devices.use_cores()
        sweep(UPLOADS)
        store = Store(megabytes=options.memory)
        watch, shelf = Watch(sys.stderr if options.log == "json" else None), Shelf(options.uploads)
        for gauge in (
            ("wsis_analyses", "Analyses kept in memory", lambda: len(store)),
            ("wsis_analyses_bytes", "Memory that they hold", lambda: store.held),
            ("wsis_uploads_bytes", "What uploads take of the disk", lambda: shelf.held),
            ("wsis_models_loaded", "Models in memory", lambda: models.loaded),
            ("wsis_models_bytes", "Memory that their weights take", lambda: models.held),
        ):
            watch.gauge(*gauge)
        desk = Desk(Turns(limits(options)), watch, by_address=not options.root_path or bool(trusted(options)))
        handlers = Handlers(models, examples(), store, desk, most_pixels=options.max_pixels * 10**6)
        page = build(handlers, local=local(options), lessons=lessons(options))
    except WsisError as error:
        print(error, file=sys.stderr)
        return 2
    pipeline = handlers.pipeline
    handlers.warm()
    page.queue(max_size=BACKSTOP)
    beside = app_options(desk, shelf, most=options.max_upload * 2**20, model=pipeline.name, door=door)
    serving = {
        "server_name": host(options), "server_port": options.port, "root_path": options.root_path.rstrip("/") or None,
        "auth": door.enter if door else None, "max_file_size": f"{options.max_upload}mb", "mcp_server": options.mcp,
        "state_session_capacity": SESSIONS, "share": False, "inbrowser": options.open, "quiet": True,
        "prevent_thread_lock": True, "app_kwargs": beside, "enable_monitoring": False, "run_history": False,
    }  # fmt: skip
    try:
        page.launch(**{**launch_options(handlers), **serving})
    except OSError as error:
        print(f"The explorer cannot be served on port {options.port}: {error}", file=sys.stderr)
        return 2
    print(f"wsis explorer: {page.local_url}  ({pipeline.name} on {pipeline.device}; stop with Ctrl+C)", flush=True)
    with suppress(KeyboardInterrupt):
        while page.is_running:
            time.sleep(0.2)
    desk.stopping = True
    with suppress(KeyboardInterrupt):  # pressed twice
        stop(page)
        handlers.store.close()
    return 0


def prepare(options: argparse.Namespace) -> None:
    """What Gradio and uvicorn take from the environment: whom to believe, and a folder of our own for uploads."""
    os.environ["FORWARDED_ALLOW_IPS"] = trusted(options)
    os.environ.pop("GRADIO_ALLOWED_PATHS", None)  # no folder is served, whatever another program's settings say
    if not os.environ.get("GRADIO_TEMP_DIR"):
        folder = tempfile.mkdtemp(prefix=UPLOADS)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["GRADIO_TEMP_DIR"] = folder


def leave(code: int) -> None:
    """End the process at once: a thread that is still in torch would make an orderly end abort."""
    atexit._run_exitfuncs()  # noqa: SLF001 - no public way runs them without an orderly end
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # Ctrl+C, which a shell's background jobs would ignore, and how containers stop.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        leave(main())
    except KeyboardInterrupt:  # while it loads
        leave(130)
