"""Whole files through all tests; the command; the report; the tagger."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav

from yt360.commands.inspect import command
from yt360.errors import BadItem, UserError
from yt360.quality.inspect import InspectOptions, Inspector, inspect_file
from yt360.quality.report import write_report
from yt360.quality.tagger import AudioTagger, TagMeans, load_tagger
from yt360.quality.verdict import Outcome
from yt360.randomness import keyed_generator

RATE_HZ = 16_000


def write_wave(path: Path, sound: NDArray) -> Path:
    write_wav(path, sound, RATE_HZ)
    return path


def a_sound(kind: str, seconds: float) -> NDArray:
    return make_audio(kind, keyed_generator(1, kind), seconds, RATE_HZ).sound


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a moving picture with ambiX beside it, and a file of FuMa sound."""
    folder = tmp_path_factory.mktemp("recordings")
    write_video_example(folder / "good.mkv", make_video("movers", keyed_generator(1, "good"), 6.0))
    write_wave(folder / "good.wav", a_sound("ambix", 6.0))
    write_wave(folder / "fuma.wav", a_sound("fuma", 4.0))
    return folder


def test_a_video_takes_the_spatial_sound_beside_it(folder: Path) -> None:
    inspection = inspect_file(folder / "good.mkv")
    assert set(inspection.verdicts) == {
        "spatial-audio", "silence", "post-production", "clipping", "still-image", "picture",
        "duration", "projection",
    }  # fmt: skip
    assert inspection.passes
    assert inspection.layout == "ambix"


def test_a_folder_is_walked_and_paired_as_build_shards_does(folder: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("good.mkv", "good.wav"):
        (deep / name).symlink_to(folder / name)
    (tmp_path / "lonely.wav").symlink_to(folder / "fuma.wav")
    result = CliRunner().invoke(command, [str(tmp_path), "--json"])
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)
    assert (found["path"], found["decision"]) == (str(deep / "good.mkv"), "accepted")
    assert "audio of good.wav" in found["audio_choice"]
    assert "left out: lonely.wav: no-video" in result.stderr
    refused = CliRunner().invoke(command, [str(tmp_path), "--report", "x.png"])
    assert refused.exit_code != 0 and not Path("x.png").exists()


def test_sections_are_judged_as_one_recording(folder: Path) -> None:
    inspector = Inspector("sections")
    inspector.add(folder / "good.mkv", [folder / "good.wav"], start_s=0.0)
    inspector.add(folder / "good.mkv", [folder / "good.wav"], start_s=100.0)
    inspection = inspector.finish()
    alone = inspect_file(folder / "good.mkv")
    assert [part.start_s for part in inspection.parts] == [0.0, 100.0]
    tiles = [i.verdicts["spatial-audio"].numbers["tiles"] for i in (inspection, alone)]
    assert tiles[0] == pytest.approx(2 * tiles[1], rel=0.01)


def test_fuma_is_named_and_passes_once_it_is_stated(folder: Path) -> None:
    found = inspect_file(folder / "fuma.wav").verdicts["spatial-audio"]
    assert (found.outcome, found.reason) == (Outcome.NOT_OK, "fuma")
    stated = inspect_file(folder / "fuma.wav", options=InspectOptions(audio_layout="fuma"))
    assert stated.verdicts["spatial-audio"].outcome is Outcome.OK


def test_stereo_and_silent_films_have_no_spatial_track(folder: Path, tmp_path: Path) -> None:
    stereo = write_wave(tmp_path / "stereo.wav", a_sound("ambix", 2.0)[:2])
    assert inspect_file(stereo).verdicts["spatial-audio"].reason == "no-spatial-track"
    mute = tmp_path / "mute.mkv"
    mute.write_bytes((folder / "good.mkv").read_bytes())
    verdicts = inspect_file(mute).verdicts
    assert verdicts["spatial-audio"].reason == "no-spatial-track"
    assert verdicts["duration"].outcome is Outcome.UNSURE


def test_what_is_no_media_is_a_bad_item(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a film")
    with pytest.raises(BadItem, match="not-media"):
        inspect_file(path)


def test_sound_for_a_file_without_a_picture_is_refused_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    mute = tmp_path / "mute.mkv"
    mute.write_bytes((folder / "good.mkv").read_bytes())
    for sound in (mute, folder / "good.wav"):
        result = CliRunner().invoke(command, [str(folder / "fuma.wav"), "--sound", str(sound)])
        assert result.exit_code == 2
        assert result.output.count("\n") == 1
        assert f"no-video: fuma.wav has no picture that {sound.name} belongs to" in result.output


def test_the_report_is_a_picture_of_the_same_size_for_all_that_has_all_tests(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("good.mkv", "fuma.wav"):
        path = tmp_path / f"{name}.png"
        write_report(inspect_file(folder / name), path)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 20_000


def test_the_map_shows_a_source_where_it_is() -> None:
    from quality.sound_fields import plane_wave

    from yt360.media.layout.sound_field import FieldAnalyzer
    from yt360.quality.signal.series import DirectionSeries

    azimuth = np.radians(70)
    signal = np.random.default_rng(0).standard_normal(4 * RATE_HZ)
    sound = plane_wave(signal, np.array([np.cos(azimuth), np.sin(azimuth), 0.0]))
    series = DirectionSeries()
    for tile in FieldAnalyzer(RATE_HZ, start_s=10.0).feed(sound.astype(np.float32)):
        series.feed(tile)
    times, power = series.energy_map(72, 5)
    assert len(times) <= 5
    assert times[0] == pytest.approx(10.0)
    rows = 180 - (np.argmax(power, axis=0) + 0.5) * 5
    assert np.abs(rows - 70).max() <= 5


def test_the_command_prints_verdicts_or_json(folder: Path, tmp_path: Path) -> None:
    good, report = str(folder / "good.mkv"), tmp_path / "good.png"
    result = CliRunner().invoke(command, [good, "--report", str(report)])
    assert result.exit_code == 0
    assert "spatial-audio    ok" in result.output
    assert report.is_file()
    result = CliRunner().invoke(command, [good, str(tmp_path / "missing.mp4"), "--json"])
    assert result.exit_code == 2
    first, second = json.loads(result.output[result.output.index("[") :])
    assert {verdict["name"] for verdict in first["verdicts"]} >= {"spatial-audio", "picture"}
    assert second["error"] == "missing-file"


@pytest.mark.parametrize(
    "arguments", [["--projection", "flat"], ["--workers", "0"], ["--limit", "0"], ["--again", "x"]]
)
def test_values_that_do_not_exist_are_bad_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, ["a.mp4", *arguments])
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", "b.mp4", "--report", "x.png"], "go with one file"),
        (["a.mp4", "--tagger", "nonsense"], "package.module:name"),
        (["a.mp4", "--tagger", "yt360.errors:Nothing"], "yt360.errors has no Nothing"),
        (["a.mp4", "--tagger", ".errors:Nothing"], "package.module"),
        (["a.mp4", "--workers", "1"], "--workers goes with a catalog"),
        (["a.mp4", "--limit", "1"], "--limit goes with a catalog"),
        (["a.mp4", "--reject", "silence"], "--reject goes with a catalog"),
        (["a.mp4", "--again", "failed"], "--again goes with a catalog"),
        (["a.mp4", "--lease-s", "120"], "--lease-s goes with a catalog"),
    ],
)
def test_bad_requests_are_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


class CountingTagger:
    """Hears as much music as there is level; counts its calls."""

    sample_rate_hz = 8_000

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, mono: NDArray[np.float32]) -> dict[str, float]:
        self.lengths.append(len(mono))
        return {"Background music": float(np.abs(mono).mean())}


def test_a_tagger_hears_ten_seconds_at_its_own_rate() -> None:
    tagger = CountingTagger()
    means = TagMeans(tagger, RATE_HZ)
    for _ in range(25):
        means.feed(np.full(RATE_HZ, 0.5, np.float32))
    assert means.means()["Background music"] == pytest.approx(0.5, abs=0.01)
    assert tagger.lengths == [80_000, 80_000]


def test_a_tagger_is_loaded_by_its_import_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "class Tagger:\n    sample_rate_hz = 16000\n"
        "    def __call__(self, mono):\n        return {}\n\nready = Tagger()\nwrong = 3\n"
    )
    (tmp_path / "made_up_tagger.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("Tagger", "ready"):
        assert isinstance(load_tagger(f"made_up_tagger:{name}"), AudioTagger)
    with pytest.raises(UserError, match="no tagger"):
        load_tagger("made_up_tagger:wrong")
    sys.modules.pop("made_up_tagger")


def test_a_tagger_in_the_current_folder_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tagger_of_here.py").write_text(
        "class Tagger:\n    sample_rate_hz = 16000\n"
        "    def __call__(self, mono):\n        return {}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load_tagger("tagger_of_here:Tagger") is load_tagger("tagger_of_here:Tagger")
    (tmp_path / "tagger_of_nobody.py").write_text("nonsense(")
    with pytest.raises(UserError, match="tagger_of_nobody cannot be imported: SyntaxError"):
        load_tagger("tagger_of_nobody:T")


def test_a_crash_costs_the_file_that_it_comes_from(
    crashing: object, folder: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "crash.mkv"
    bad.write_bytes((folder / "good.mkv").read_bytes())
    result = CliRunner().invoke(command, ["--json", str(bad), str(folder / "fuma.wav")])
    assert result.exit_code == 2
    assert f"error: {bad}: crash: crash.mkv: " in result.stderr
    first, second = json.loads(result.stdout)
    assert first["error"] == "crash"
    assert second["verdicts"]
