"""Whatever is wrong with a video or befalls a process, the other videos are inspected."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav

from yt360.catalog import Catalog, MediaFile
from yt360.catalog.claim_renewal import ClaimRenewal
from yt360.commands.inspect import command
from yt360.errors import UserError
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.catalog_run import MAX_TRIES, inspect_catalog, inspect_next
from yt360.randomness import keyed_generator

RATE_HZ = 16_000
IDS = [f"video-{number:05d}" for number in range(4)]
INSPECT = [sys.executable, "-c", "from yt360.cli import main; main()", "inspect"]
# Kills its own process, each time that it hears something or only the first time.
DEADLY = """
import os, pathlib, signal
class Tagger:
    sample_rate_hz = 8000
    def __call__(self, mono):
        deed = pathlib.Path("{folder}") / "done"
        if {always} or not deed.exists():
            deed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {{}}
"""
SLOW = """
import pathlib, time
class Tagger:
    sample_rate_hz = 8000
    def __call__(self, mono):
        (pathlib.Path("{folder}") / "started").touch()
        time.sleep({seconds})
        return {{}}
"""

# Hangs as a decoder does that holds Python's lock: no thread of its process runs meanwhile.
HANGING = """
import ctypes, pathlib
class Tagger:
    sample_rate_hz = 8000
    def __call__(self, mono):
        deed = pathlib.Path("{folder}") / "done"
        if {always} or not deed.exists():
            deed.touch()
            ctypes.PyDLL(None).sleep(600)
        return {{}}
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    sound = make_audio("ambix", keyed_generator(2, "sound"), 11.0, RATE_HZ).sound
    write_video_example(folder / "good.mkv", make_video("movers", keyed_generator(2, "m"), 11.0), 5)
    write_wav(folder / "good.wav", sound, RATE_HZ)
    bad = sound.astype(np.float32)
    bad[0, 5 * RATE_HZ] = np.nan
    soundfile.write(folder / "nan.wav", bad.T, RATE_HZ, subtype="FLOAT")
    return folder


@pytest.fixture
def path(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of four good videos; its folder is the current one."""
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        catalog.set_media(media)
        for name in IDS:
            catalog.videos.add(name)
            catalog.videos.requeue([name], "downloaded")
            catalog.files.put(name, MediaFile(role="video", path="good.mkv", bytes=1))
            catalog.files.put(name, MediaFile(role="sound", path="good.wav", bytes=1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return path


@pytest.fixture
def tagger(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a tagger beside the catalog and names it."""

    def write(source: str, **values: object) -> str:
        name = f"tagger_{os.getpid()}_{time.monotonic_ns()}"
        (tmp_path / f"{name}.py").write_text(source.format(folder=tmp_path, **values))
        return f"{name}:Tagger"

    return write


def outcomes(path: Path) -> dict[str, list[str]]:
    with Catalog(path) as catalog:
        return {name: [a.outcome for a in catalog.claims.history(name)] for name in IDS}


def reasons(path: Path) -> dict[str, tuple[str, str | None]]:
    with Catalog(path) as catalog:
        return {v.video_id: (v.state, v.reason) for v in catalog.videos.select()}


def test_sound_that_is_no_number_fails_its_video_and_no_other(path: Path) -> None:
    with Catalog(path) as catalog:
        catalog.files.put(IDS[0], MediaFile(role="sound", path="nan.wav", bytes=1))
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == 0, result.output
    expected = dict.fromkeys(IDS, ("accepted", None))
    assert reasons(path) == {**expected, IDS[0]: ("failed", "not-finite")}


def test_what_nobody_expected_fails_the_video_with_the_error_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(*_: object) -> None:
        raise ZeroDivisionError("by \udcff\n zero")

    with Catalog(path) as catalog, ClaimRenewal(path, 60) as beat:
        monkeypatch.setattr("yt360.quality.catalog_run._inspect", trip)
        assert inspect_next(catalog, beat, "me", CatalogRunConfig()) is not None
        video = catalog.videos.get(IDS[0])
        assert (video.state, video.reason) == ("failed", "internal")
        assert video.detail == "ZeroDivisionError: by ? zero"


def test_trouble_of_this_machine_gives_the_video_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Catalog(path) as catalog, ClaimRenewal(path, 60) as beat:
        monkeypatch.setattr("yt360.quality.catalog_run._inspect", fill)
        with pytest.raises(OSError, match="No space"):
            inspect_next(catalog, beat, "me", CatalogRunConfig())
        claim = catalog.claims.take("inspect", "w")
        assert claim is not None and (claim.video_id, claim.tries) == (IDS[0], 0)


def test_a_killed_process_loses_nothing_and_the_run_goes_on(
    path: Path, tagger: Callable[..., str]
) -> None:
    arguments = [str(path), "--workers", "2", "--tagger", tagger(DEADLY, always=False)]
    done = subprocess.run([*INSPECT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "a worker process died of it (exit code -9, SIGKILL)" in done.stderr
    assert "4  accepted" in done.stdout
    assert set(reasons(path).values()) == {("accepted", None)}
    # Both processes may be at their first video when the first one dies.
    tries = sorted(outcomes(path).values(), key=len)
    assert tries[0] == ["accepted"]
    assert tries[-1] == ["deferred", "accepted"]


def test_a_video_that_kills_every_process_is_given_up(
    path: Path, tagger: Callable[..., str]
) -> None:
    with Catalog(path) as catalog:
        for name in IDS[1:]:
            catalog.files.put(name, MediaFile(role="sound", path="missing.wav", bytes=1))
    notes: list[str] = []
    config = CatalogRunConfig(tagger=tagger(DEADLY, always=True))
    report = inspect_catalog(path, config, lambda _: None, notes.append)
    assert (report.crashes, len(notes)) == (MAX_TRIES, MAX_TRIES)
    expected = dict.fromkeys(IDS, ("failed", "missing-file"))
    assert reasons(path) == {**expected, IDS[0]: ("failed", "crashed")}
    assert outcomes(path)[IDS[0]] == [*["deferred"] * MAX_TRIES, "failed"]


def test_a_video_in_which_a_decoder_hangs_is_stopped_and_the_run_goes_on(
    path: Path, tagger: Callable[..., str]
) -> None:
    notes: list[str] = []
    config = CatalogRunConfig(tagger=tagger(HANGING, always=False), timeout_s=8)
    report = inspect_catalog(path, config, lambda _: None, notes.append)
    assert report.crashes == 1
    assert notes == [
        f"error: {IDS[0]}: it took longer than 8 s and was stopped; --timeout-s sets the limit"
    ]
    assert set(reasons(path).values()) == {("accepted", None)}
    assert outcomes(path)[IDS[0]] == ["deferred", "accepted"]


def test_a_video_in_which_every_process_hangs_is_given_up(
    path: Path, tagger: Callable[..., str]
) -> None:
    with Catalog(path) as catalog:
        for name in IDS[1:]:
            catalog.files.put(name, MediaFile(role="sound", path="missing.wav", bytes=1))
    config = CatalogRunConfig(tagger=tagger(HANGING, always=True), timeout_s=3)
    report = inspect_catalog(path, config, lambda _: None)
    assert report.crashes == MAX_TRIES
    expected = dict.fromkeys(IDS, ("failed", "missing-file"))
    assert reasons(path) == {**expected, IDS[0]: ("failed", "crashed")}
    assert outcomes(path)[IDS[0]] == [*["deferred"] * MAX_TRIES, "failed"]


def test_a_video_whose_claims_run_out_again_and_again_is_given_up(path: Path) -> None:
    now = time.time()
    with Catalog(path, clock=lambda: now) as catalog, ClaimRenewal(path, 60) as beat:
        for number in range(1, len(IDS)):
            catalog.videos.drop(IDS[number], "withdrawn")
        for _ in range(MAX_TRIES):
            assert catalog.claims.take("inspect", "killed", lease_s=10) is not None
            now += 11
        result = inspect_next(catalog, beat, "me", CatalogRunConfig())
        assert result is not None and (result.state, result.reason) == ("failed", "crashed")
        assert [a.outcome for a in catalog.claims.history(IDS[0])] == [
            *["expired"] * MAX_TRIES,
            "failed",
        ]


def test_two_runs_at_once_inspect_everything_exactly_once(
    path: Path, tagger: Callable[..., str]
) -> None:
    arguments = [*INSPECT, str(path), "--tagger", tagger(SLOW, seconds=0.3)]
    runs = [subprocess.Popen(arguments) for _ in range(2)]
    assert [run.wait(120) for run in runs] == [0, 0]
    assert outcomes(path) == {name: ["accepted"] for name in IDS}


def test_an_interrupted_run_gives_back_what_it_was_at(
    path: Path, tmp_path: Path, tagger: Callable[..., str]
) -> None:
    arguments = [*INSPECT, str(path), "--tagger", tagger(SLOW, seconds=60)]
    run = subprocess.Popen(arguments, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == 143
    assert outcomes(path)[IDS[0]] == ["released"]
    with Catalog(path) as catalog:
        claim = catalog.claims.take("inspect", "w")
        assert claim is not None and (claim.video_id, claim.tries) == (IDS[0], 0)


def test_a_limit_counts_the_videos_of_all_processes(path: Path) -> None:
    report = inspect_catalog(path, CatalogRunConfig(workers=2, limit=3), lambda _: None)
    assert report.counts == {("accepted", ""): 3}


def test_a_tagger_that_fails_is_blamed_itself(path: Path, tagger: Callable[..., str]) -> None:
    broken = tagger(SLOW, seconds="'long'")
    with pytest.raises(UserError, match="the tagger fails: TypeError"):
        inspect_catalog(path, CatalogRunConfig(tagger=broken), lambda _: None)
    assert outcomes(path)[IDS[0]] == ["released"]
