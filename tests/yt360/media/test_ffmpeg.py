import errno
import stat
from pathlib import Path

import ffmpeg as ffmpeg_python
import pytest

from yt360.errors import BadItem, UserError
from yt360.media import ffmpeg


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
    stream = ffmpeg_python.input(ffmpeg.input_name(source))
    return ffmpeg.compile_arguments(stream.output(target, format="rawvideo"))


def test_failure_carries_the_last_words(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    with pytest.raises(BadItem, match=r"not-decodable: text\.mp4: .*Invalid data found"):
        ffmpeg.run_ffmpeg(arguments(text, str(tmp_path / "out")), text)


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
