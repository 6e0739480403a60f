"""Files in: only what was uploaded to this server, which fetches nothing from anywhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlparse

import gradio as gr
from gradio import processing_utils
from gradio.utils import get_upload_folder

from wsis.errors import WsisError

NO_ADDRESS = "Web addresses are not fetched here. Upload the file, or send its content as a data: URL."


def uploaded(path: Path) -> Path:
    """A path that a browser or a program named, only if it is a file that was uploaded here.

    Raises:
        WsisError: it is anything else.
    """
    folder = Path(get_upload_folder()).resolve()
    with suppress(OSError, ValueError):  # too long, or with a zero byte
        resolved = path.resolve()
        if resolved.is_relative_to(folder) and resolved.is_file():
            return resolved
    raise WsisError("The upload did not arrive. Choose the photo again.")


def fetch_nothing() -> None:
    """Make Gradio refuse a web address instead of a file; by itself it would fetch it from any public host."""
    processing_utils.async_ssrf_protected_download = _refuse


async def _refuse(url: str, cache_dir: str) -> str:
    """The file behind an address that this server gave to an upload; every other address is refused."""
    own = unquote(urlparse(url).path.partition("/gradio_api/file=")[2])
    try:
        return str(uploaded(Path(own or url)))
    except WsisError as error:
        raise gr.Error(NO_ADDRESS, print_exception=False) from error
