"""What the fuzzer says of the real doors: few inputs in every run, many in the slow part."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from fuzzing.doors import DOORS
from fuzzing.run import fuzz
from helpers.paths import TOOLS


def run_tool(inputs: int, folder: Path) -> list[dict]:
    figures = folder / "figures.json"
    command = [sys.executable, "-m", "fuzzing", f"--inputs={inputs}", f"--json={figures}"]
    ended = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, check=False)
    assert figures.exists(), ended.stderr
    return json.loads(figures.read_text())


def faults_of(reports: list[dict]) -> list[str]:
    return [
        f"{r['door']} {f['number']}: {f['verdict']}: {f['detail']}"
        for r in reports
        for f in r["faults"]
    ]


@pytest.mark.timeout(900)
def test_every_door_takes_what_is_valid_and_refuses_the_rest_in_one_line():
    reports = [asdict(fuzz(door, 0, range(max(round(10 * door.fraction), 4)))) for door in DOORS]
    assert faults_of(reports) == []
    # The first input of each door is a valid one.
    assert [r["door"] for r in reports if not r["counts"].get("accepted")] == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_inputs_at_every_door(tmp_path):
    assert faults_of(run_tool(1000, tmp_path)) == []
