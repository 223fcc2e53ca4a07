"""The same bytes from a Ray cluster that loses a node as from one process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest
from helpers.paths import REPOSITORY
from helpers.scene_runs import SceneRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

cluster_utils = pytest.importorskip("ray.cluster_utils")
NODE = {"object_store_memory": 80 << 20, "include_dashboard": False}
# Notice in a second that a node is gone.
HEALTH = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 2,
}
COMMAND = [sys.executable, "-c", "from yt360.cli import main; main()"]
BUILD = [
    "--group-by",
    "video",
    "--clip-s",
    "1",
    "--height",
    "64",
    "--fps",
    "8",
    "--shard-mb",
    "0.3",
]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without a place for workers, and two nodes with one place each."""
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray keeps a token there
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY), prepend=os.pathsep)
    made = cluster_utils.Cluster()
    try:
        made.add_node(num_cpus=0, _system_config=HEALTH, **NODE)
        made.workers = [made.add_node(num_cpus=1, **NODE) for _ in range(2)]
        yield made
    finally:
        made.shutdown()


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def build(scenes: Path, out: Path, *options: str) -> Popen[bytes]:
    command = [*COMMAND, "build-shards", str(scenes), "--out", str(out), *BUILD, *options]
    return Popen(command, stdout=DEVNULL)


def test_a_cluster_that_loses_a_node_builds_the_bytes_of_one_process(
    cluster: Any, scene_dataset: SceneRun, tmp_path: Path
) -> None:
    assert build(scene_dataset.scenes, tmp_path / "local", "--workers", "1").wait() == 0
    out = tmp_path / "ray"
    options = ("--executor", f"ray:{cluster.address}", "--workers", "2")
    command = build(scene_dataset.scenes, out, *options)
    while not any((out / ".staging" / "clips").glob("*")):
        assert command.poll() is None
        time.sleep(0.05)
    cluster.remove_node(cluster.workers[1], allow_graceful=False)
    assert command.wait() == 0
    assert tree(out) == tree(tmp_path / "local")
