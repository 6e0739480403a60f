"""The explorer: `python app.py [--model voc-lite] [--device cpu] [--host 127.0.0.1] [--port 7860]`."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing leaves this host

EXAMPLES = Path(__file__).parent / "assets" / "examples"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="app.py", description="Explore peak response maps and steer how masks are chosen."
    )
    parser.add_argument(
        "--model", default="voc-lite", help="an embedded checkpoint, a folder, timm:NAME or torchvision:NAME"
    )
    parser.add_argument("--weights", help="safetensors file for timm: and torchvision:")
    parser.add_argument("--labels", help="text file with one class name a line, for timm: and torchvision:")
    parser.add_argument("--device", help="cpu, cuda, cuda:1; default: the GPU where there is one")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on; 0.0.0.0 for everybody in the network")
    parser.add_argument("--port", type=int, default=None, help="default: the first free one from 7860")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    return parser.parse_args(argv)


def examples() -> dict[str, Path]:
    """The example photos by name; empty where there are none."""
    return {path.stem: path for path in sorted(EXAMPLES.glob("*.jpg"))}


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model and serve the page until it is stopped; 2 where that cannot start."""
    options = arguments(argv)
    # FastAPI's own models make newer pydantic versions warn; nobody who starts the app can do anything about it.
    warnings.filterwarnings("ignore", message="The 'alias' attribute")
    from wsis.errors import WsisError  # noqa: PLC0415 - the imports take seconds: --help should not

    try:
        from wsis.explorer.handlers import Handlers  # noqa: PLC0415
        from wsis.explorer.layout import build, launch_options  # noqa: PLC0415
        from wsis.pipeline import Pipeline  # noqa: PLC0415

        pipeline = Pipeline.load(options.model, device=options.device, weights=options.weights, labels=options.labels)
        handlers = Handlers(pipeline, examples())
        page = build(handlers)
    except WsisError as error:
        print(error, file=sys.stderr)
        return 2
    handlers.warm()
    try:
        page.launch(
            server_name=options.host, server_port=options.port, inbrowser=options.open, quiet=True,
            prevent_thread_lock=True, **launch_options(),
        )  # fmt: skip
    except OSError as error:
        print(f"The explorer cannot be served on port {options.port}: {error}", file=sys.stderr)
        return 2
    print(f"wsis explorer: {page.local_url}  ({pipeline.name} on {pipeline.device}; stop with Ctrl+C)", flush=True)
    page.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
