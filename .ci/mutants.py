"""`make mutants`: change the code of the method at random places and see whether a test notices, by mutmut.

`make mutants ARGS="--sample 60 wsis.peaks wsis.icn"` draws 60 changes from each of these modules; without names, from
every module of the method. All of them (6,600) take a day. Prints the share that tests noticed, module by module, then
what they did not notice, as diffs: each of these wants a test, or a reason in docs/testing.md.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

MUTMUT = Path(sys.executable).with_name("mutmut")
RESULTS = Path("mutants/wsis")
SURVIVED, UNTESTED = 0, 33
"""mutmut's exit codes; None is one that was never run, and every other one a test that noticed."""


def main() -> int:
    """Draw, run and tell; exit code 1 where a change went unnoticed."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="such as wsis.peaks; all by default")
    parser.add_argument("--sample", type=int, default=60, help="changes of each module")
    parser.add_argument("--seed", type=int, default=0, help="fixes which are drawn")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, one thread each")
    options = parser.parse_args()
    # Makes the changed files and notes which tests run which function; then it stops, for nothing has this name.
    _mutmut(options.workers, ["nothing yet"], check=False)
    drawn = [
        name
        for module, names in _by_module(options.modules).items()
        for name in random.Random(f"{options.seed} {module}").sample(sorted(names), min(options.sample, len(names)))
    ]
    _mutmut(options.workers, drawn)
    return _tell(drawn)


def _by_module(chosen: Sequence[str]) -> dict[str, dict[str, int | None]]:
    """Names of all changes with mutmut's exit codes, by module."""
    found = {}
    for file in sorted(RESULTS.rglob("*.meta")):
        module = ".".join(file.relative_to("mutants").with_suffix("").with_suffix("").parts).removesuffix(".__init__")
        results = json.loads(file.read_text())["exit_code_by_key"]
        if results and (not chosen or any(module == name or module.startswith(f"{name}.") for name in chosen)):
            found[module] = results
    return found


def _mutmut(workers: int, names: Sequence[str], *, check: bool = True) -> None:
    command = [MUTMUT, "run", "--max-children", str(workers), *names]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=check, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _tell(drawn: Sequence[str]) -> int:
    chosen, survivors = set(drawn), list[str]()
    print("\n| module | changes drawn | noticed |\n|---|---|---|")
    total = Counter[str]()
    for module, results in _by_module(()).items():
        codes = {name: results[name] for name in results if name in chosen}
        if not codes:
            continue
        unnoticed = [name for name, code in codes.items() if code in (SURVIVED, UNTESTED, None)]
        survivors += unnoticed
        total.update(drawn=len(codes), noticed=len(codes) - len(unnoticed))
        print(f"| `{module}` | {len(codes)} of {len(results)} | {1 - len(unnoticed) / len(codes):.0%} |")
    print(f"| all | {total['drawn']} | {total['noticed'] / max(1, total['drawn']):.0%} |\n")
    for name in survivors:
        subprocess.run([MUTMUT, "show", name], check=False)
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
