"""Whatever is wrong with a video or befalls a process, the other videos are inspected."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.in_process import InlinePool
from helpers.quality_checks import inspect_inline, states, write_catalog

from yt360.catalog import Catalog, MediaFile
from yt360.commands.inspect import command
from yt360.execution.local import Crashed, WorkerPool
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.catalog_run import MAX_TRIES, inspect_catalog

HANGS_S = 6.0
IDS = [f"video-{number:05d}" for number in range(3)]
INSPECT = [sys.executable, "-c", "from yt360.cli import main; main()", "inspect"]
# Kills its own process when it hears something for the first time.
DEADLY = """
import os, pathlib, signal
class Tagger:
    sample_rate_hz = 8000
    def __call__(self, mono):
        deed = pathlib.Path("{folder}") / "done"
        if not deed.exists():
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
        if not deed.exists():
            deed.touch()
            ctypes.PyDLL(None).sleep(600)
        return {{}}
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name in ("good.mkv", "good.wav"):
        (folder / name).symlink_to(recordings / name)
    bad, rate_hz = soundfile.read(recordings / "good.wav", dtype="float32")
    bad[5 * rate_hz, 0] = np.nan
    soundfile.write(folder / "nan.wav", bad, rate_hz, subtype="FLOAT")
    return folder


@pytest.fixture
def path(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of three good videos; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    files = dict.fromkeys(IDS, ("good.mkv", "good.wav"))
    return write_catalog(tmp_path / "my.catalog", media, files)


@pytest.fixture
def tagger(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a tagger beside the catalog and names it."""

    def write(source: str, **values: object) -> str:
        name = f"tagger_{os.getpid()}_{time.monotonic_ns()}"
        (tmp_path / f"{name}.py").write_text(source.format(folder=tmp_path, **values))
        return f"{name}:Tagger"

    return write


def tagging(tagger: str) -> dict[str, str]:
    return {"post-production.tagger": tagger}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def outcomes(path: Path) -> dict[str, list[str]]:
    with Catalog(path) as catalog:
        return {name: [a.outcome for a in catalog.claims.history(name)] for name in IDS}


def test_audio_that_is_not_finite_fails_its_video_and_no_other(path: Path) -> None:
    with Catalog(path) as catalog:
        catalog.files.put(IDS[0], MediaFile(role="sound", path="nan.wav", bytes=1))
    inspect_inline(path)
    expected = dict.fromkeys(IDS, ("accepted", None))
    assert states(path) == {**expected, IDS[0]: ("failed", "not-finite")}


def test_an_unexpected_error_fails_the_video_with_the_error_in_words(path: Path) -> None:
    def trip(*_: object) -> NoReturn:
        raise ZeroDivisionError("by \udcff\n zero")

    inspect_inline(path, trip)
    with Catalog(path) as catalog:
        video = catalog.videos.get(IDS[0])
        assert (video.state, video.reason) == ("failed", "internal")
        assert video.detail == "ZeroDivisionError: by ? zero"


def test_trouble_of_this_machine_releases_the_video(path: Path) -> None:
    def fill(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        inspect_inline(path, fill)
    with Catalog(path) as catalog:
        claim = catalog.claims.take("inspect", "w")
        assert claim is not None and (claim.video_id, claim.tries) == (IDS[0], 0)


def test_a_killed_process_loses_nothing_and_the_run_goes_on(
    path: Path, tagger: Callable[..., str]
) -> None:
    arguments = [str(path), "--workers", "2", "--tagger", tagger(DEADLY)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 1, done.stderr
    assert "a worker process died of it (exit code -9, SIGKILL)" in done.stderr
    assert f"{len(IDS)}  accepted" in done.stdout
    assert set(states(path).values()) == {("accepted", None)}
    # Both processes may be at their first video when the first one dies.
    tries = sorted(outcomes(path).values(), key=len)
    assert tries[0] == ["accepted"]
    assert tries[-1] == ["deferred", "accepted"]


@pytest.mark.usefixtures("spawned_workers")  # a fork inherits the alarm of pytest-timeout
def test_a_video_in_which_a_decoder_hangs_is_stopped_and_the_run_goes_on(
    path: Path, tagger: Callable[..., str]
) -> None:
    notes: list[str] = []
    config = CatalogRunConfig(settings=tagging(tagger(HANGING)), timeout_s=HANGS_S)
    report = inspect_catalog(path, config, lambda _: None, notes.append)
    assert report.crashes == 1
    (note,) = notes
    assert IDS[0] in note and f"longer than {HANGS_S:g} s" in note and "--timeout-s" in note
    assert set(states(path).values()) == {("accepted", None)}
    assert outcomes(path)[IDS[0]] == ["deferred", "accepted"]


class DyingPool(InlinePool):
    """Every process that gets the first video dies of it."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code

    def run(self, function: Any, tasks: deque[Any]) -> Iterator[tuple[Any, Any]]:
        while tasks:
            task = tasks.popleft()
            dies = task.claim.video_id == IDS[0]
            yield task, Crashed(self.exit_code) if dies else function(task)


@pytest.mark.parametrize(
    ("exit_code", "words"), [(-signal.SIGKILL, "SIGKILL"), (-signal.SIGALRM, "--timeout-s")]
)
def test_a_video_that_ends_every_process_is_given_up(
    path: Path, exit_code: int, words: str
) -> None:
    with Catalog(path) as catalog:
        for name in IDS[1:]:
            catalog.files.put(name, MediaFile(role="sound", path="missing.wav", bytes=1))
    notes: list[str] = []
    report = inspect_catalog(
        path,
        CatalogRunConfig(),
        lambda _: None,
        notes.append,
        make_pool=lambda _, __: DyingPool(exit_code),
    )
    assert (report.crashes, len(notes)) == (MAX_TRIES, MAX_TRIES)
    assert all(IDS[0] in note and words in note for note in notes)
    expected = dict.fromkeys(IDS, ("failed", "missing-file"))
    assert states(path) == {**expected, IDS[0]: ("failed", "crashed")}
    assert outcomes(path)[IDS[0]] == [*["deferred"] * MAX_TRIES, "failed"]


def test_a_video_whose_claims_run_out_again_and_again_is_given_up(path: Path) -> None:
    with Catalog(path) as catalog:
        for number in range(1, len(IDS)):
            catalog.videos.drop(IDS[number], "withdrawn")
        for _ in range(MAX_TRIES):
            assert catalog.claims.take("inspect", "killed", lease_s=0.001) is not None
            time.sleep(0.01)
    assert inspect_inline(path).counts == {("failed", "crashed"): 1}
    assert outcomes(path)[IDS[0]] == [*["expired"] * MAX_TRIES, "failed"]


def test_two_runs_at_once_inspect_everything_exactly_once(
    path: Path, tmp_path: Path, tagger: Callable[..., str]
) -> None:
    slow = tagger(SLOW, seconds=0.5)
    inspect = partial(inspect_inline, path, settings=tagging(slow))
    other = WorkerPool.context.Process(target=inspect)
    other.start()
    wait_for(tmp_path / "started")
    here = inspect().counts["accepted", ""]
    other.join(120)
    assert other.exitcode == 0
    assert 0 < here < len(IDS)
    assert outcomes(path) == {name: ["accepted"] for name in IDS}


def test_an_interrupted_run_gives_back_what_it_was_at(
    path: Path, tmp_path: Path, tagger: Callable[..., str]
) -> None:
    arguments = [*INSPECT, str(path), "--tagger", tagger(SLOW, seconds=60)]
    run = subprocess.Popen(arguments, start_new_session=True)
    wait_for(tmp_path / "started")
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == 143
    assert outcomes(path)[IDS[0]] == ["released"]
    with Catalog(path) as catalog:
        claim = catalog.claims.take("inspect", "w")
        assert claim is not None and (claim.video_id, claim.tries) == (IDS[0], 0)


def test_a_limit_counts_the_videos_of_all_processes(path: Path) -> None:
    assert inspect_inline(path, workers=2, limit=2).counts == {("accepted", ""): 2}


def test_a_tagger_that_fails_is_blamed_itself(path: Path, tagger: Callable[..., str]) -> None:
    with user_error("dependency", "tagger"):
        inspect_inline(path, settings=tagging(tagger(SLOW, seconds="'long'")))
    assert outcomes(path)[IDS[0]] == ["released"]
