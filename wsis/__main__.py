"""`python -m wsis`: see `wsis.cli`."""

from __future__ import annotations

import sys

from wsis import streams
from wsis.cli import app


def main() -> None:
    """Run the command line; leaves with its exit code."""
    try:
        app(prog_name="wsis")
    except SystemExit as end:
        if end.code or not (reason := streams.lost()):
            raise
        print(f"Error: not all that was said could be written to the standard output: {reason}.", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
