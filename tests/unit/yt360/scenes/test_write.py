from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from helpers.errors import user_error

from yt360.commands.scenes import command
from yt360.errors import UserError
from yt360.execution.local import Crashed, WorkerPool
from yt360.files import write_json
from yt360.media.containers.spherical import read_mp4_tags
from yt360.scenes.collection import SceneCollection
from yt360.scenes.folder import SceneFolder, open_folder
from yt360.scenes.video.frames import render
from yt360.scenes.world.parameters import PRESETS, SceneFormat, SceneParameters
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.write import write_scenes
from yt360.sphere import equirect_grid

HARD, DEFAULT = PRESETS["hard"], PRESETS["default"]
SMALL = SceneFormat(duration_s=1.0, width=128, height=64, fps=8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "new" / "scenes"
    assert write_scenes(folder, 3, 0, HARD, SMALL) == 3
    return folder


def test_a_scene_is_a_tagged_video_a_sound_and_its_truth(written: Path) -> None:
    names = sorted(path.name for path in written.iterdir())
    stems = [f"scene-0000-000{k}" for k in range(3)]
    expected = [f"{stem}{end}" for stem in stems for end in (".flac", ".mp4", ".truth.npz")]
    assert names == sorted([*expected, "scenes.json"])
    with (written / "scene-0000-0001.mp4").open("rb") as file:
        (track,) = read_mp4_tags(file)
    assert track.projection is not None
    assert track.projection.kind == "equirectangular"
    assert track.projection.stereo_mode == "mono"
    assert track.projection.is_whole_sphere
    sound, rate = soundfile.read(written / "scene-0000-0001.flac")
    assert sound.shape == (24000, 4)
    assert rate == 24000


def test_the_decoded_video_shows_the_rendered_frames(written: Path) -> None:
    scene = SceneCollection(written).scene("scene-0000-0001")
    expected = list(render(scene, np.arange(8) / 8, 64, 128))
    with av.open(str(written / "scene-0000-0001.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 8
        frames = list(container.decode(stream))
    assert len(frames) == 8
    assert [float(frame.time) for frame in frames] == [k / 8 for k in range(8)]
    assert frames[0].colorspace == 1, "BT.709"
    for frame, picture in zip(frames, expected, strict=True):
        decoded = frame.to_ndarray(format="rgb24").astype(int)
        assert np.abs(decoded - picture).mean() < 6
        assert np.abs(decoded.mean((0, 1)) - picture.mean((0, 1))).max() < 2


def test_the_truth_matches_the_scene(written: Path) -> None:
    scene = SceneCollection(written).scene("scene-0000-0002")
    truth = np.load(written / "scene-0000-0002.truth.npz")
    count = len(scene.objects)
    assert truth["directions"].shape == (8, count, 3)
    np.testing.assert_allclose(truth["directions"], scene.directions(truth["times"]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(truth["directions"], axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(truth["class_ids"], scene.class_ids)
    np.testing.assert_array_equal(truth["sounding"], scene.sounding)
    assert truth["segmentation"].shape == (4, 64, 128)
    assert truth["segmentation"].dtype == np.uint8
    np.testing.assert_array_equal(truth["segmentation_times"], [0, 0.25, 0.5, 0.75])
    exact = scene.class_at(equirect_grid(64, 128).numpy(), 0.5)
    assert (truth["segmentation"][2] != exact).mean() < 1e-3
    assert truth["onset_times"].min() >= 0
    assert set(truth["onset_objects"]) <= set(np.flatnonzero(scene.sounding))


def test_again_changes_nothing_and_more_videos_add(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    assert write_scenes(folder, 1, 0, HARD, SMALL) == 1
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("scene-*")}
    assert write_scenes(folder, 1, 0, HARD, SMALL) == 0
    assert write_scenes(folder, 3, 0, HARD, SMALL, 2, lambda _: WorkerPool(1)) == 2
    for name, modified in before.items():
        assert (folder / name).stat().st_mtime_ns == modified
    for path in written.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    (folder / "scene-0000-0001.mp4").unlink()
    assert write_scenes(folder, 3, 0, HARD, SMALL) == 1
    video = written / "scene-0000-0001.mp4"
    assert (folder / video.name).read_bytes() == video.read_bytes()


def test_another_seed_joins_the_folder(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    write_scenes(folder, 1, 0, HARD, SMALL)
    write_scenes(folder, 1, 7, HARD, SMALL)
    listed = json.loads((folder / "scenes.json").read_text())["scenes"]
    assert [item["name"] for item in listed] == ["scene-0000-0000", "scene-0007-0000"]
    assert SceneCollection(folder).scene("scene-0007-0000").seed == 7
    with user_error("missing", "scene-0000-0009"):
        SceneCollection(folder).scene("scene-0000-0009")


def test_an_interrupted_scene_leaves_no_file_under_a_final_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_scenes(tmp_path / "scenes", 1, 0, HARD, SMALL)
    assert not list((tmp_path / "scenes").glob("*"))


def test_leftovers_of_killed_runs_are_removed_when_old(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    write_scenes(folder, 1, 0, HARD, SMALL)
    old, new = (folder / f".scene-0000-000{k}.mp4.77.tmp" for k in (1, 2))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_scenes(folder, 1, 0, HARD, SMALL)
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_a_killed_run_had_just_begun_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    (folder / ".scenes.json.0a1b2c3d.tmp").write_text("{")
    (folder / ".scenes.lock").touch()
    assert write_scenes(folder, 1, 0, HARD, SMALL) == 1
    (folder / "scenes.json").unlink()
    with user_error("exists", folder):
        write_scenes(folder, 1, 0, HARD, SMALL)


def test_runs_at_the_same_time_list_the_scenes_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SceneFolder(tmp_path, HARD, SMALL)

    def slow_write(path: Path, value: object) -> None:
        time.sleep(0.02)
        write_json(path, value)

    monkeypatch.setattr("yt360.scenes.folder.write_json", slow_write)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: folder.describe([{"name": f"scene-{k}"}]), range(8)))
    assert set(folder.listed()) == {f"scene-{k}" for k in range(8)}
    assert [path.name for path in tmp_path.iterdir()] == ["scenes.json"]


def test_scenes_whose_workers_are_refused_leave_nothing(tmp_path: Path) -> None:
    def refuse(_: int) -> Any:
        raise UserError("no cluster answers", code="network", key="--executor")

    with user_error("network", "--executor"):
        write_scenes(tmp_path / "new", 1, 0, HARD, SMALL, 2, make_pool=refuse)
    assert not (tmp_path / "new").exists()


def test_other_settings_and_foreign_folders_are_refused(written: Path, tmp_path: Path) -> None:
    other = SceneFormat(duration_s=1.0, width=256, height=128, fps=8)
    with user_error("conflict", "width"):
        write_scenes(written, 1, 0, HARD, other)
    with user_error("conflict", "sources"):
        write_scenes(written, 1, 0, DEFAULT, SMALL)
    (tmp_path / "notes.txt").write_text("mine")
    with user_error("exists", tmp_path):
        write_scenes(tmp_path, 1, 0, HARD, SMALL)
    with user_error("exists", tmp_path / "notes.txt"):
        write_scenes(tmp_path / "notes.txt", 1, 0, HARD, SMALL)
    (tmp_path / "scenes.json").write_text("{broken")
    with user_error("invalid", tmp_path / "scenes.json"):
        write_scenes(tmp_path, 1, 0, HARD, SMALL)
    (tmp_path / "scenes.json").write_text("[]")
    with user_error("invalid", tmp_path / "scenes.json"):
        open_folder(tmp_path)
    (tmp_path / "scenes.json").write_text(
        '{"version": 1, "parameters": {}, "format": {}, "scenes": []}'
    )
    with user_error("unsupported", tmp_path / "scenes.json"):
        open_folder(tmp_path)


def test_the_command_writes_scenes_and_explains_mistakes(tmp_path: Path) -> None:
    options = ["--videos", "1", "--duration-s", "0.5", "--size", "64x32", "--workers", "1"]
    run = CliRunner().invoke(command, [str(tmp_path / "out"), *options, "--set", "sources=1"])
    assert run.exit_code == 0, run.output
    assert open_folder(tmp_path / "out").parameters.sources == (1, 1)
    for bad, code, key in (
        (["--size", "big"], "invalid", "--size"),
        (["--size", "64x64"], "conflict", ""),
        (["--set", "sorces=1"], "unknown-name", "sorces"),
        (["--preset", "harder"], "unknown-name", "preset"),
    ):
        with user_error(code, key):
            CliRunner().invoke(command, [str(tmp_path / "other"), *bad], catch_exceptions=False)
    assert CliRunner().invoke(command, [str(tmp_path / "other"), "--videos", "0"]).exit_code == 2
    assert not (tmp_path / "other").exists()


def test_the_help_names_every_parameter() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    assert not [each.name for each in fields(SceneParameters) if each.name not in shown]


def test_scenes_can_be_drawn_again_from_their_folder(written: Path) -> None:
    loaded = SceneCollection(written).scene("scene-0000-0000")
    drawn = sample_scene(0, 0, HARD, SMALL.duration_s)
    times = np.linspace(0, 1, 5)
    np.testing.assert_array_equal(loaded.directions(times), drawn.directions(times))


class DyingPool:
    """Does one task, and dies of the next."""

    def __enter__(self) -> DyingPool:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(self, function: Any, tasks: deque[int]) -> Iterator[tuple[int, Any]]:
        yield tasks[0], function(tasks[0])
        yield tasks[1], Crashed(-9)


def test_a_killed_worker_is_one_line_and_what_is_whole_stays(tmp_path: Path) -> None:
    with user_error("system", "--workers"):
        write_scenes(tmp_path, 3, 0, HARD, SMALL, 2, make_pool=lambda _: DyingPool())
    assert write_scenes(tmp_path, 3, 0, HARD, SMALL) == 2


@pytest.mark.slow
def test_no_worker_outlives_a_killed_command(tmp_path: Path) -> None:
    words = ["scenes", str(tmp_path), "--videos", "200", "--duration-s", "60", "--workers", "2"]
    program = [sys.executable, "-c", "from yt360.cli import main; main()"]
    parent = subprocess.Popen([*program, *words], stderr=subprocess.DEVNULL)
    try:
        while len(workers := children_of(parent.pid)) < 2:
            assert parent.poll() is None
            time.sleep(0.1)
        time.sleep(2.0)  # they import, or render
    finally:
        parent.kill()
        parent.wait()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "a worker lives on"
        time.sleep(0.1)


def children_of(process: int) -> list[int]:
    """Return the worker processes of a process, without those that Python starts for itself."""
    tasks = Path(f"/proc/{process}/task").iterdir()  # a pool starts its workers in a thread
    found = [child for task in tasks for child in (task / "children").read_text().split()]
    return [int(p) for p in found if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
