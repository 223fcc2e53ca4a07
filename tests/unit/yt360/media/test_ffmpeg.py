import errno
import os
import pickle
import stat
import subprocess
import sys
import time
from pathlib import Path

import ffmpeg as ffmpeg_python
import pytest
from helpers.errors import bad_item

from yt360.errors import BadItem, UserError
from yt360.files import DISK_FULL
from yt360.media import ffmpeg
from yt360.media.ffmpeg_process import start_ffmpeg


@pytest.fixture
def fake_ffmpeg(tmp_path, monkeypatch):
    """Put a program named ffmpeg, which lists no filters, first on the PATH."""
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ' ... scale V->V Scale'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ffmpeg.BINARY_VARIABLE, raising=False)
    return program


def test_the_binary_in_use_has_all_that_conversion_needs():
    assert ffmpeg.missing_parts(ffmpeg.ffmpeg_binary()) == ()
    assert "aresample" in ffmpeg.available_filters()
    assert "flac" in ffmpeg.available_encoders()
    assert ffmpeg.ffmpeg_version().startswith("ffmpeg ")


def test_a_system_ffmpeg_without_v360_is_passed_over(fake_ffmpeg):
    assert "v360" in ffmpeg.missing_parts(fake_ffmpeg)
    assert ffmpeg.ffmpeg_binary() != fake_ffmpeg


def test_the_variable_chooses_the_binary(fake_ffmpeg, monkeypatch):
    monkeypatch.setenv(ffmpeg.BINARY_VARIABLE, str(fake_ffmpeg))
    assert ffmpeg.ffmpeg_binary() == fake_ffmpeg


def test_a_variable_that_names_no_program_is_refused(tmp_path, monkeypatch):
    plain = tmp_path / "plain"
    plain.touch(mode=0o600)
    for chosen in (plain, tmp_path / "absent"):
        monkeypatch.setenv(ffmpeg.BINARY_VARIABLE, str(chosen))
        with pytest.raises(UserError, match=f"YT360_FFMPEG={chosen} is not a program"):
            ffmpeg.ffmpeg_binary()


def arguments(source: Path, target: str) -> list[str]:
    stream = ffmpeg_python.input(ffmpeg.graph_name(source))
    return ffmpeg.compile_arguments(stream.output(target, format="rawvideo"))


def test_failure_carries_the_last_words(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    with bad_item("not-decodable"):
        ffmpeg.run_ffmpeg(arguments(text, str(tmp_path / "out")), text)


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a function that makes some lines of shell the FFmpeg in use."""

    def use(lines: str) -> Path:
        program = tmp_path / "ffmpeg.sh"
        program.write_text(lines)
        program.chmod(0o700)
        monkeypatch.setenv(ffmpeg.BINARY_VARIABLE, str(program))
        return program

    return use


@pytest.mark.parametrize(
    ("ending", "code"), [("kill -KILL $$", -9), ("kill -SEGV $$", -11), ("exit 255", 255)]
)
def test_death_by_a_signal_is_told_from_failure(script, ending, code):
    script(f"#!/bin/sh\necho words >&2\n{ending}\n")
    with pytest.raises(ffmpeg.FfmpegDied, match=r"a\.mp4: .*words") as died:
        ffmpeg.run_ffmpeg([], Path("a.mp4"), cpu_s=60)
    assert died.value.exit_code == code
    copy = pickle.loads(pickle.dumps(died.value))
    assert (type(copy), str(copy), copy.exit_code) == (ffmpeg.FfmpegDied, str(died.value), code)
    script("#!/bin/sh\nexit 1\n")
    with pytest.raises(BadItem, match="not-decodable") as failed:
        ffmpeg.run_ffmpeg([], Path("a.mp4"), cpu_s=60)
    assert not isinstance(failed.value, ffmpeg.FfmpegDied)


def test_ffmpeg_that_takes_too_much_processor_time_is_stopped(script):
    script("#!/bin/sh\nwhile :; do :; done\n")
    with bad_item("timeout"):
        ffmpeg.run_ffmpeg([], Path("a.mp4"), cpu_s=0.2)


def test_a_program_that_cannot_be_run_is_no_items_fault(script):
    script("")
    with pytest.raises((UserError, OSError)) as refused:
        ffmpeg.run_ffmpeg([], Path("a.mp4"), cpu_s=60)
    assert not isinstance(refused.value, BadItem)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a death signal")
def test_a_program_gets_its_arguments_as_they_are_and_a_group_of_its_own(tmp_path):
    arguments = ["-S", "a b", "", "ключ ☃", os.fsdecode(b"\xff")]
    program = Path("/usr/bin/env") if Path("/usr/bin/env").exists() else Path("/bin/env")
    asking = "import os, sys; print(os.getpgid(0), *map(ascii, sys.argv[1:]))"
    process = start_ffmpeg(
        program, [sys.executable, "-c", asking, *arguments], stdout=subprocess.PIPE, text=True
    )
    output, _ = process.communicate()
    assert output.split(" ", 1) == [str(process.pid), " ".join(map(ascii, arguments)) + "\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a death signal")
def test_ffmpeg_dies_with_a_process_that_is_killed(script, tmp_path):
    script(f"#!/bin/sh\necho $$ > {tmp_path}/pid.tmp\nmv {tmp_path}/pid.tmp {tmp_path}/pid\n"
           "exec sleep 60\n")  # fmt: skip
    code = "from yt360.media.ffmpeg import run_ffmpeg; run_ffmpeg([], None, 60)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        while not (tmp_path / "pid").exists():
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    status = Path("/proc") / (tmp_path / "pid").read_text().strip() / "status"
    deadline = time.monotonic() + 10
    while is_running(status) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(status)


def is_running(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False


@pytest.mark.parametrize("number", DISK_FULL)
def test_a_quota_or_a_limit_of_file_sizes_is_not_the_items_fault(number):
    line = f"[out#0/mp4 @ 0x1] [error] Error writing trailer: {os.strerror(number)}"
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        ffmpeg.raise_for_exit(1, [line], Path("a.mp4"), ffmpeg.disk_error_in(line))
    assert raised.value.errno == number
    assert ffmpeg.disk_error_in("Invalid data found when processing input") is None


def test_a_full_disk_is_not_the_items_fault(media, tmp_path):
    video = media.write(tmp_path / "video.mp4", seconds=1)
    with pytest.raises(OSError, match="No space left on device") as raised:
        ffmpeg.run_ffmpeg(arguments(video, "/dev/full"), video)
    assert raised.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    "name", ["-y.mp4", "a b.mp4", "ключ ☃.mp4", "pipe:1.mp4", "100%d.mp4", "it's; $(rm).mp4"]
)
def test_a_name_is_only_ever_a_file(media, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    video = media.write(Path(name), seconds=0.5)
    ffmpeg.run_ffmpeg(arguments(video, "out.raw"), video)
    assert (tmp_path / "out.raw").stat().st_size > 0
