import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from yt360.commands.probe import command
from yt360.media.layout.audio_layout import STATED_LAYOUTS
from yt360.media.names import AUDIO_LAYOUTS


def test_a_person_reads_what_it_is_and_why(media, field, tmp_path):
    path = media.write(tmp_path / "-clip ☃.mp4", sound=field)
    result = CliRunner().invoke(command, ["--", str(path)])
    assert result.exit_code == 0
    assert str(path) in result.stdout
    for words in (
        "h264 96x48, 24.000 fps (24.000 declared), 48 frames, from 0.000 to 2.000 s",
        "projection  equirectangular, mono",
        "because: untagged, 96x48: taken for equirectangular, whose aspect is 2:1",
        "aac, 4 channels (declared '4.0'), 48000 Hz",
        "layout      ambix",
        "because: four channels without an SA3D box",
    ):
        assert words in result.stdout


def test_a_refused_picture_says_why(media, tmp_path):
    path = media.write(tmp_path / "a.mp4", sound=None, pictures=lambda _: media.SQUARE)
    result = CliRunner().invoke(command, [str(path)])
    assert "projection  refused (not-360)" in result.stdout
    assert "state its projection" in result.stdout


def test_a_program_reads_json_with_failures_in_their_place(media, field, tmp_path):
    good = media.write(tmp_path / "a.mkv", sound=field, sound_codec="flac")
    bad = tmp_path / "b.mp4"
    bad.touch()
    result = CliRunner().invoke(command, ["--json", str(good), str(bad)])
    assert result.exit_code == 2
    first, second = json.loads(result.stdout)
    assert first["path"] == str(good)
    assert first["video"][0]["frames_measured"] == 48
    assert first["audio"][0]["layout"]["name"] == "ambix"
    assert second == {
        "path": str(bad),
        "error": "empty-file",
        "detail": "b.mp4 is empty; download it again",
    }
    assert result.stderr == f"error: {bad}: empty-file: {second['detail']}\n"


def test_a_stated_layout_is_taken(media, field, tmp_path):
    path = media.write(tmp_path / "a.mkv", sound=field, sound_codec="flac")
    result = CliRunner().invoke(command, ["--json", "--audio-layout", "fuma", str(path)])
    assert json.loads(result.stdout)[0]["audio"][0]["layout"]["name"] == "fuma"


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_names_of_any_bytes_are_printed_on_any_stream(media, field, tmp_path, more):
    name = os.fsdecode(b"caf\xe9.mkv")
    try:
        good = media.write(tmp_path / "a.mkv", sound=field, sound_codec="flac").rename(
            tmp_path / name
        )
        (tmp_path / os.fsdecode(b"\xff.mp4")).touch()
    except OSError:
        pytest.skip("this file system takes no such names")
    files = [str(good), str(tmp_path / os.fsdecode(b"\xff.mp4"))]
    result = subprocess.run(
        [sys.executable, "-c", "from yt360.cli import main; main()", "probe", *more, *files],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict", "PYTHONUTF8": "1"},
        check=False,
    )
    assert "Traceback" not in result.stderr.decode()
    assert result.returncode == 2  # for the empty file
    if more:
        assert [each["path"] for each in json.loads(result.stdout)] == files
    else:
        assert r"caf\xe9.mkv" in result.stdout.decode()
    assert r"\xff.mp4" in result.stderr.decode()


def test_a_stated_layout_is_checked_whatever_the_sound(media, field, tmp_path):
    stereo = media.write(tmp_path / "a.wav", fps=None, sound=field[:2], sound_codec="pcm_s16le")
    result = CliRunner().invoke(command, ["--audio-layout", "nonsense", str(stereo)])
    assert result.exit_code == 2
    assert "'nonsense' is not one of 'ambix'" in result.stderr
    assert set(AUDIO_LAYOUTS) == set(STATED_LAYOUTS)


@pytest.mark.parametrize(
    "arguments", [["--audio-layout", "fumma", "FILE"], ["/nowhere.mp4"], ["--jsn", "FILE"]]
)
def test_a_mistake_is_one_line_and_exit_code_2(media, field, tmp_path, arguments):
    path = media.write(tmp_path / "a.mkv", sound=field, sound_codec="flac")
    words = [str(path) if word == "FILE" else word for word in arguments]
    result = subprocess.run(
        [sys.executable, "-c", "from yt360.cli import main; main()", "probe", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if "rror" in line]) == 1


def test_a_crash_costs_the_file_that_it_comes_from(crashing, media, field, tmp_path):
    good = media.write(tmp_path / "good.mp4", seconds=0.5, sound=field[:, :24000])
    bad = tmp_path / "crash.mp4"
    bad.write_bytes(good.read_bytes())
    result = CliRunner().invoke(command, ["--json", str(bad), str(good)])
    assert result.exit_code == 2
    assert f"error: {bad}: crash: crash.mp4: a worker process died of it" in result.stderr
    assert "SIGSEGV" in result.stderr
    first, second = json.loads(result.stdout)
    assert (first["error"], second["path"]) == ("crash", str(good))
