"""How scripts with options of typer tell what a user can mend."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from wsis import streams
from wsis.errors import WsisError

Options = ParamSpec("Options")


def told(main: Callable[Options, None]) -> Callable[Options, None]:
    """The function, whose `WsisError` ends the script with its sentence below the usage, and exit code 2."""

    @wraps(main)
    def script(*args: Options.args, **options: Options.kwargs) -> None:
        try:
            main(*args, **options)
        except WsisError as error:
            raise typer.BadParameter(str(error)) from error

    return script


def run(main: Callable[..., None]) -> None:
    """Run a script's function with the options of the command line."""
    streams.forgive()
    typer.run(main)
