"""How much each step changes: by hand, and a whole run on generated scenes."""

from __future__ import annotations

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from train.ablate import steps


def test_shares_are_counted_by_step():
    maps = np.zeros((4, 2, 5, 10), np.float32)
    maps[1:, 0, :, :5] = 1  # half of one map at the first step
    maps[2:, 1, 0, 0] = 0.2  # one of a hundred pixels at the second
    maps[3:, 1, 1, 1] = 0.05  # too little to count
    assert steps.changed(maps) == pytest.approx([0.25, 0.01, 0])


def test_a_run_prints_a_row_for_each_icn(model, kit):
    app = typer.Typer()
    app.command()(steps.main)
    options = ["--voc", kit, "--model", model, "--steps", 2, "--limit", 2, "--workers", 1]
    result = CliRunner().invoke(app, list(map(str, options)))
    assert result.exit_code == 0, result.output
    rows = [line.split(" | ") for line in result.stdout.splitlines() if line.startswith("| icn-")]
    assert [name for name, *_ in rows] == [
        f"| icn-{kind}, {how}" for kind in ("proposal", "saliency") for how in ("as published", "with agreement")
    ]
    assert all(0 <= float(share.strip(" |")) <= 100 for _, *shares in rows for share in shares)
