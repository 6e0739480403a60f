from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from wsis import streams

SAYS = r"""
import os, sys
from wsis import streams
streams.forgive()
print("\u732b \udce9" * 9999)
print("!", file=sys.stderr)
assert os.open("done", os.O_CREAT | os.O_WRONLY) > 2  # no file takes the place of a closed stream
"""


@pytest.mark.skipif(os.name == "nt", reason="shells differ")
@pytest.mark.parametrize(
    "where", ["2>&1 | true", ">&- 2>&-", "> /dev/full 2> /dev/full", "2>&1 | head -c 1 > /dev/null"]
)
def test_nobody_listens(where: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "SAYS": SAYS,
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(ROOT),
    }
    words = ["bash", "-o", "pipefail", "-c", f'"$PYTHON" -c "$SAYS" {where}']
    ended = subprocess.run(words, cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(("encoding", "said"), [("ascii", b"\\u732b \\udce9"), ("utf-8", "猫 \\udce9".encode())])
def test_letters_that_an_encoding_lacks(encoding: str, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    streams.forgive()
    print("猫 \udce9", end="")
    assert raw.getvalue() == said
