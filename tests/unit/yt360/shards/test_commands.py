"""The commands, on real but tiny media, with real processes."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import processes

from yt360.cli import cli
from yt360.commands.run import run
from yt360.errors import BadItem
from yt360.shards.check.clip import check_clip
from yt360.shards.format.clip_facts import parse_facts
from yt360.shards.format.reader import ShardReader

SIZE = ["--height", "32", "--fps", "4", "--sample-rate-hz", "8000", "--audio-layout", "ambix"]
BUILD = ["--clip-s", "1", "--shard-mb", "0.1", "--test-fraction", "0.4", *SIZE]


def make_video(path: Path, duration_s: int, seed: int) -> None:
    import av

    generator = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for _ in range(8 * duration_s):
            picture = generator.integers(0, 255, (32, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def make_audio(path: Path, duration_s: int, seed: int, channels: int = 4) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.05, (8000 * duration_s, 1))
    soundfile.write(path, noise * np.array([1, 0.6, 0.0, 0.8, 0, 0][:channels]), 8000)


@pytest.fixture(scope="session")
def tiny_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four good videos with difficult names, and one of each kind of bad file."""
    folder = tmp_path_factory.mktemp("tiny") / "my médiá"
    folder.mkdir()
    for number, name in enumerate(["-dash", "two words", "größe", "kqAZkf5Odyw-80"]):
        make_video(folder / f"{name}.mp4", 3 + number % 2, number)
        make_audio(folder / f"{name}.wav", 3 + number % 2, number)
    for name in ("truncated", "silent", "stereo", "mute"):
        make_video(folder / f"{name}.mp4", 3, 9)
    content = (folder / "truncated.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(content[: len(content) // 2])
    soundfile.write(folder / "silent.wav", np.zeros((24000, 4)), 8000)
    make_audio(folder / "stereo.wav", 3, 9, channels=2)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("This is no film.")
    return folder


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        run(cli, [str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="session")
def tiny_dataset(tiny_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("tiny-data") / "data"
    assert call("build-shards", tiny_media, "--out", data, "--workers", "2", *BUILD) == 0
    return data


def test_good_files_are_in_and_bad_ones_are_told(tiny_dataset, tiny_media, capsys):
    assert call("build-shards", tiny_media, "--out", tiny_dataset, *BUILD) == 0
    output = capsys.readouterr().out
    for name in ("truncated", "silent", "stereo", "mute", "empty", "text"):
        assert f"left out: {name}." in output
    assert "0 new clips" in output
    assert call("check", tiny_dataset) == 0
    assert "no faults in 14 clips" in capsys.readouterr().out


def test_decoding_finds_what_sums_cannot(tiny_dataset):
    reader = ShardReader(tiny_dataset, "train")
    facts = parse_facts(reader.read(0, "json"))
    mp4, flac = bytes(reader.read(0, "mp4")), bytes(reader.read(0, "flac"))
    check_clip(facts, mp4, flac)
    # 2^36 - 1 samples in STREAMINFO, for which nobody has the memory.
    endless = flac[:21] + bytes([flac[21] | 15]) + b"\xff" * 4 + flac[26:]
    for wrong in (
        (facts, mp4, endless),
        (replace(facts, duration_s=facts.duration_s / 1000), mp4, flac),
        (replace(facts, duration_s=2.0), mp4, flac),
        (replace(facts, width=640), mp4, flac),
        (replace(facts, width=None), mp4, flac),
        (replace(facts, sample_rate_hz=16000), mp4, flac),
        (facts, mp4[: len(mp4) // 2], flac),
        (facts, b"", flac),
        (facts, flac, mp4),
        (facts, mp4, flac[: len(flac) // 2]),
        (facts, mp4, b""),
    ):
        with pytest.raises(BadItem):
            check_clip(*wrong)


def test_relative_paths_and_names_that_begin_with_a_dash_work(tiny_media, tmp_path, monkeypatch):
    for suffix in ("mp4", "wav"):
        shutil.copy(tiny_media / f"-dash.{suffix}", tmp_path / f"-dash.{suffix}")
    monkeypatch.chdir(tmp_path)
    assert call("build-shards", "--out", "-data", *BUILD, "--", "-dash.mp4") == 0
    assert call("index", "--", "-data") == 0
    assert call("check", "--quick", "--", "-data") == 0


def test_nothing_usable_is_exit_code_2_and_says_why(tiny_media, tmp_path, capsys):
    for name in ("mute.mp4", "text.mp4"):
        shutil.copy(tiny_media / name, tmp_path / name)
    code = call("build-shards", tmp_path, "--out", tmp_path / "data", "--workers", "1", *BUILD)
    captured = capsys.readouterr()
    assert code == 2
    assert "error: no usable clip in 2 videos" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "does not exist"),
        (["."], "no video in"),
        (["{media}", "--clip-s", "0"], "clip_s is 0"),
        (["{media}", "--height", "33"], "33"),
        (["{media}", "--workers", "0"], "--workers"),
        (["{media}", "--projection", "flat"], "--projection"),
        (["{media}", "--min-level-dbfs", "loud"], "--min-level-dbfs"),
        (["{media}", "--shard-mb", "inf"], "shard_mb is inf"),
    ],
)
def test_wrong_requests_are_one_line_and_leave_nothing(
    tiny_media, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    arguments = [each.format(media=tiny_media) for each in arguments]
    assert call("build-shards", *arguments, "--out", tmp_path / "data") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_check_and_index_refuse_what_is_no_dataset(tmp_path, capsys):
    for command in ("check", "index"):
        assert call(command, tmp_path) == 2
        assert "is not a dataset" in capsys.readouterr().err


def test_check_gives_a_line_for_each_fault_and_exit_code_1(tiny_dataset, tmp_path, capsys):
    data = Path(shutil.copytree(tiny_dataset, tmp_path / "data"))
    (data / "test" / "index.parquet").unlink()
    assert call("check", data, "--quick") == 1
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{data / 'test'} has no index")


@pytest.mark.parametrize("name", ["build-shards", "check", "index"])
def test_the_examples_in_the_help_are_commands(name):
    command = cli.get_command(cli.make_context("yt360", ["doctor"]), name)
    examples = [line.split() for line in command.epilog.splitlines() if "yt360" in line]
    assert examples
    for words in examples:
        assert words[:2] == ["yt360", name]
        assert command.make_context(name, words[2:]).params
    options = [it for it in command.params if it.param_type_name == "option" and not it.hidden]
    assert all(option.help for option in options)


def tree(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_build_killed_at_random_times_ends_in_the_same_bytes(tiny_media, tiny_dataset, tmp_path):
    data = tmp_path / "data"
    build = ["build-shards", tiny_media, "--out", data, "--workers", "2", *BUILD]
    draw = random.Random(0)
    staged, kills = set(), 0
    for _ in range(2):
        process = processes.start(processes.__file__, "yt360_command", *map(str, build))
        while process.is_alive() and set(data.glob(".staging/clips/*")) <= staged:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        staged = set(data.glob(".staging/clips/*"))
    assert kills > 0
    assert call("build-shards", tiny_media, "--out", data, "--workers", "2", *BUILD) == 0
    assert tree(data) == tree(tiny_dataset)


def mounted_tmpfs(folder: Path, size: str) -> bool:
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return mount is not None and subprocess.run(command, capture_output=True).returncode == 0


def test_a_full_disk_is_one_line_and_the_build_goes_on_when_there_is_room(
    tiny_media, tiny_dataset, tmp_path, capsys
):
    if not mounted_tmpfs(tmp_path / "disk", "500k"):
        pytest.skip("mounting a tmpfs is not permitted here")
    data = tmp_path / "disk" / "data"
    command = ["build-shards", tiny_media, "--out", data, "--workers", "1", *BUILD]
    try:
        filler = tmp_path / "disk" / "filler"
        filler.write_bytes(bytes(350_000))
        assert call(*command) == 2
        error = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(error) == 1
        assert "disk" in error[0] and "is full" in error[0]
        assert not list(data.glob("**/*.tmp"))
        assert all(tree(tiny_dataset)[name] == found for name, found in tree(data).items()
                   if name.endswith(".tar"))  # fmt: skip
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "disk")], check=True)
        assert call(*command) == 0
        assert tree(data) == tree(tiny_dataset)
    finally:
        subprocess.run(["umount", str(tmp_path / "disk")], check=True)


def test_a_crash_costs_the_clip_that_it_comes_from(crashing, tiny_dataset, capsys):
    from yt360.shards.format.reader import ShardReader

    reader = ShardReader(tiny_dataset, "train")
    crashing.at(bytes(reader.read(0, "mp4")))
    capsys.readouterr()
    assert call("check", tiny_dataset) == 1
    fault, count = capsys.readouterr().out.splitlines()
    assert f"clip {reader.keys[0]}: crash: a worker process died of it" in fault
    assert count.startswith("1 fault in")
