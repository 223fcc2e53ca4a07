"""The same bytes from a Ray cluster that loses a node as from one process."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest
from engines.trials import outcome, start, trials
from fake_youtube import FakeYouTube, media_bytes
from helpers.paths import REPOSITORY
from helpers.scene_runs import SceneRun
from kill.compare import differences

from yt360.catalog import Catalog
from yt360.catalog.lists.yt360_lists import import_urls

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
EVALUATE = [sys.executable, "-c", "from avsa.cli import main; main()", "eval"]
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


def evaluate(kind: str, run: SceneRun, out: Path, *options: str) -> Popen[bytes]:
    command = [*EVALUATE, kind, str(run.run), "--data", str(run.dataset), "--out", str(out)]
    return Popen([*command, "--device", "cpu", *options], stdout=DEVNULL)


def records(out: Path) -> dict[str, dict[str, Any]]:
    """Return the records by name, without their times and places."""
    found = {path.name: json.loads(path.read_text()) for path in (out / "eval").glob("*.json")}
    return {n: {**r, "made_at": "", "command": ""} for n, r in found.items()}


def test_a_cluster_that_loses_a_node_evaluates_like_one_process(
    cluster: Any, scene_run: SceneRun, tmp_path: Path
) -> None:
    settings = ["draws_per_video=1", "test_draws=400", "schedule.epochs=1"]
    avsa_bin = [word for each in settings for word in ("--set", each)]
    localization = ["--scenes", str(scene_run.scenes), "--pictures", "1"]
    local, out = tmp_path / "local", tmp_path / "ray"
    engine = ("--executor", f"ray:{cluster.address}", "--workers", "2")
    assert evaluate("avsa-bin", scene_run, local, *avsa_bin).wait() == 0
    assert evaluate("localization", scene_run, local, *localization).wait() == 0
    command = evaluate("avsa-bin", scene_run, out, *avsa_bin, *engine)
    while not any((out / "eval" / "features").glob("*/part-*")):
        assert command.poll() is None
        time.sleep(0.05)
    cluster.remove_node(cluster.workers[1], allow_graceful=False)
    done = len(list((out / "eval" / "features").glob("*/part-*")))
    assert command.wait() == 0
    assert evaluate("localization", scene_run, out, *localization, *engine).wait() == 0
    for folder in ("features", "pictures"):
        assert tree(out / "eval" / folder) == tree(local / "eval" / folder)
    assert 0 < done < len(list((local / "eval" / "features").glob("*/part-*")))
    assert records(out) == records(local) and len(records(local)) == 2


def test_the_other_commands_write_what_one_process_writes(
    cluster: Any, scene_run: SceneRun, tmp_path: Path
) -> None:
    engine = ("--executor", f"ray:{cluster.address}", "--workers", "2")
    for trial in trials(scene_run.scenes, scene_run.dataset, scene_run.run):
        outcomes = []
        for name, words in (("local", ("--workers", "1")), ("ray", engine)):
            folder = tmp_path / trial.name / name
            outcomes.append(outcome(folder, start(trial, folder, words).wait()))
        assert trial.faults(outcomes[0]) == []
        assert differences(*outcomes) == []


def test_workers_of_a_cluster_download_the_bytes_of_one_process(
    cluster: Any, tmp_path: Path
) -> None:
    youtube = FakeYouTube()
    try:
        content = media_bytes("mp4", 4.0, has_video=True, has_audio=False)
        paths = [f"/media/film-{number}.mp4" for number in range(5)]
        youtube.media.update(dict.fromkeys(paths, content))
        catalog_path = tmp_path / "my.catalog"
        with Catalog(catalog_path, create=True) as catalog:
            import_urls(catalog, [youtube.url + path for path in paths])
        options = ["--executor", f"ray:{cluster.address}", "--workers", "2"]
        options += ["--min-duration-s", "1", "--min-free-gb", "0", "--interval-s", "0.5"]
        options += ["--allow-url", youtube.url + "/media/"]
        command = Popen([*COMMAND, "download", str(catalog_path), *options], stdout=DEVNULL)
        with Catalog(catalog_path) as catalog:
            while not list(catalog.videos.select("downloaded")):
                assert command.poll() is None
                time.sleep(0.1)
            cluster.remove_node(cluster.workers[1], allow_graceful=False)
            assert command.wait() == 0
            files = [catalog.files.of(video.video_id) for video in catalog.videos.select()]
            assert len(files) == 5
            for (file,) in files:
                assert (catalog.media / file.path).read_bytes() == content
            assert not list(catalog.media.rglob("*.part"))
    finally:
        youtube.close()
