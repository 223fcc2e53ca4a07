"""Whole files through all checks, the report, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.errors import bad_item
from numpy.typing import NDArray
from quality.audio import make_audio
from quality.writing import write_wav

from yt360.commands.inspect import command
from yt360.errors import UserError
from yt360.quality.decision import decide
from yt360.quality.inspect import (
    Inspection,
    InspectOptions,
    Inspector,
    configure_checks,
    inspect_file,
)
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator

RATE_HZ = 16_000


def a_sound(kind: str, seconds: float) -> NDArray:
    return make_audio(kind, keyed_generator(1, kind), seconds, RATE_HZ).audio


@pytest.fixture(scope="module")
def good(recordings: Path) -> Inspection:
    return inspect_file(recordings / "good.mkv")


@pytest.fixture(scope="module")
def fuma(recordings: Path) -> Inspection:
    return inspect_file(recordings / "fuma.wav")


@pytest.fixture
def mute(tmp_path: Path, recordings: Path) -> Path:
    """A video without audio, in a folder of its own."""
    path = tmp_path / "mute.mkv"
    path.symlink_to(recordings / "good.mkv")
    return path


def test_a_video_takes_the_spatial_audio_beside_it(good: Inspection) -> None:
    assert list(good.verdicts) == [
        "spatial-audio", "field-gain", "silence", "post-production", "clipping", "projection",
        "still-image", "picture", "duration", "av-agreement",
    ]  # fmt: skip
    assert all(verdict.outcome is not Outcome.NOT_OK for verdict in good.verdicts.values())
    assert good.layout == "ambix"


def test_a_folder_is_walked_and_paired_as_build_shards_does(
    recordings: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("good.mkv", "good.wav"):
        (deep / name).symlink_to(recordings / name)
    (tmp_path / "lonely.wav").symlink_to(recordings / "fuma.wav")
    result = CliRunner().invoke(command, [str(tmp_path), "--json"])
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert (found["path"], found["decision"]) == (str(deep / "good.mkv"), "accepted")
    assert "audio of good.wav" in found["audio_choice"]
    assert "left out: lonely.wav: no-video" in result.stderr


def test_sections_are_one_recording(recordings: Path, good: Inspection) -> None:
    inspector = Inspector("sections")
    for start_s in (0.0, 100.0):
        inspector.add(recordings / "good.mkv", [recordings / "good.wav"], start_s)
    inspection = inspector.finish()
    assert [part.start_s for part in inspection.parts] == [0.0, 100.0]
    tiles = [i.verdicts["spatial-audio"].numbers["tiles"] for i in (inspection, good)]
    assert tiles[0] == pytest.approx(2 * tiles[1], rel=0.01)


def test_fuma_is_named_and_passes_because_it_is_converted(
    recordings: Path, fuma: Inspection
) -> None:
    found = fuma.verdicts["spatial-audio"]
    assert (found.outcome, found.reason) == (Outcome.NOT_OK, "fuma-order")
    assert decide(fuma).outcome is Outcome.OK
    stated = inspect_file(recordings / "fuma.wav", options=InspectOptions(audio_layout="fuma"))
    assert stated.verdicts["spatial-audio"].outcome is Outcome.OK


@pytest.mark.parametrize("channels", [8, 16])
def test_more_channels_are_judged_as_their_first_order(tmp_path: Path, channels: int) -> None:
    sound = a_sound("ambix", 4.0)
    rest = 0.05 * np.random.default_rng(0).standard_normal((channels - 4, sound.shape[1]))
    write_wav(tmp_path / "high.wav", np.concatenate([sound, rest]), RATE_HZ)
    write_wav(tmp_path / "first.wav", sound, RATE_HZ)
    high, first = (inspect_file(tmp_path / f"{name}.wav") for name in ("high", "first"))
    assert high.verdicts["spatial-audio"] == first.verdicts["spatial-audio"]
    assert first.verdicts["spatial-audio"].outcome is Outcome.OK


def test_stereo_and_mute_videos_have_no_spatial_track(mute: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "stereo.wav", a_sound("ambix", 2.0)[:2], RATE_HZ)
    stereo = inspect_file(tmp_path / "stereo.wav").verdicts
    assert stereo["spatial-audio"].reason == "no-spatial-track"
    verdicts = inspect_file(mute).verdicts
    assert verdicts["spatial-audio"].reason == "no-spatial-track"
    assert verdicts["duration"].outcome is Outcome.UNSURE
    assert "silence" not in verdicts


def test_a_file_that_is_not_media_is_a_bad_item(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a film")
    with bad_item("not-media"):
        inspect_file(path)


def test_audio_for_a_file_without_video_is_a_bad_item(recordings: Path, mute: Path) -> None:
    for audio in (mute, recordings / "good.wav"):
        with bad_item("no-video"):
            inspect_file(recordings / "fuma.wav", audio)


def test_the_command_prints_verdicts(recordings: Path) -> None:
    silent = ["--set", "silence.open_dbfs=0", "--set", "silence.close_dbfs=-1"]
    result = CliRunner().invoke(command, [str(recordings / "good.mkv"), *silent])
    assert result.exit_code == 0
    assert "spatial-audio    ok" in result.output
    assert "silence          not ok" in result.output


def test_a_crash_or_a_missing_file_costs_one_file(
    crashing: object, recordings: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "crash.mkv"
    bad.symlink_to(recordings / "good.mkv")
    missing = tmp_path / "missing.mp4"
    arguments = ["--json", str(bad), str(missing), str(recordings / "fuma.wav")]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert f"error: {bad}: crash: crash.mkv: " in result.stderr
    first, second, third = json.loads(result.stdout)
    assert (first["error"], second["error"]) == ("crash", "missing-file")
    assert third["verdicts"]


@pytest.mark.parametrize(
    "arguments", [["--projection", "flat"], ["--workers", "0"], ["--limit", "0"], ["--again", "x"]]
)
def test_values_outside_the_choices_are_bad_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, ["a.mp4", *arguments])
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "key"),
    [
        (["a.mp4", "--report", "x.png"], "invalid", "x.png"),
        (["a.mp4", "--report", "no-such-folder/x.html"], "missing", "no-such-folder/x.html"),
        (["a.mp4", "b.mp4", "--audio", "x.wav"], "conflict", None),
        (["{folder}", "--audio", "x.wav"], "conflict", None),
        (["a.mp4", "--workers", "1"], "conflict", "--workers"),
        (["a.mp4", "--limit", "1"], "conflict", "--limit"),
        (["a.mp4", "--reject", "silence"], "conflict", "--reject"),
        (["a.mp4", "--again", "failed"], "conflict", "--again"),
        (["a.mp4", "--lease-s", "120"], "conflict", "--lease-s"),
        (["a.mp4", "--timeout-s", "120"], "conflict", "--timeout-s"),
        (["a.mp4", "--set", "silence"], "invalid", "--set"),
        (["a.mp4", "--set", "silence.open=1"], "unknown-name", "open"),
        (["a.mp4", "--sound", "b.wav"], "unknown-name", "--sound"),
    ],
)
def test_bad_requests_are_refused(
    recordings: Path, arguments: list[str], code: str, key: str | None
) -> None:
    filled = [each.replace("{folder}", str(recordings)) for each in arguments]
    error = CliRunner().invoke(command, filled).exception
    assert isinstance(error, UserError)
    assert (error.code, error.key) == (code, key)


@pytest.mark.parametrize("tagger", ["nonsense", "yt360.errors:Nothing", ".errors:Nothing"])
def test_a_tagger_that_cannot_be_loaded_is_refused(tagger: str) -> None:
    with pytest.raises(UserError) as raised:
        Inspector("x", InspectOptions(checks=configure_checks({"post-production.tagger": tagger})))
    assert raised.value.code in ("invalid", "missing")
