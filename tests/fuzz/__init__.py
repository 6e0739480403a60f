"""Bad inputs made by code: small valid files, what can go wrong with them, and what every door must make of it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # the tests' own helpers, which pytest finds by itself
