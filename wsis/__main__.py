"""`python -m wsis`: see `wsis.cli`."""

from __future__ import annotations

from wsis.cli import app


def main() -> None:
    """Run the command line; leaves with its exit code."""
    app(prog_name="wsis")


if __name__ == "__main__":
    main()
