"""A build that is killed at any step and run again gives the bytes of an undisturbed one."""

from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.errors import user_error

CHANGING_CALLS = ("rename", "replace", "unlink", "remove", "rmdir", "mkdir", "link", "truncate")


class Killed(BaseException):
    """In place of SIGKILL: from here on the process changes nothing any more."""


class Trap:
    """Counts the steps that change the disk; from one of them on, none takes effect."""

    def __init__(self, last_step: int | None, error: Callable[[], BaseException] = Killed) -> None:
        self.last_step, self.error = last_step, error
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        if self.last_step is not None and self.steps > self.last_step:
            raise self.error()

    @contextmanager
    def set(self, monkeypatch: pytest.MonkeyPatch, writes_only: bool = False) -> Iterator[Trap]:
        with monkeypatch.context() as patch:
            for name in () if writes_only else CHANGING_CALLS:
                patch.setattr(os, name, self._counted(getattr(os, name)))
            opened = io.open

            def trapped_open(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
                if not isinstance(file, int) and set(mode) & set("wxa+"):
                    self.step()
                return opened(file, mode, *more, **options)

            patch.setattr(io, "open", trapped_open)
            patch.setattr(builtins, "open", trapped_open)
            yield self

    def _counted(self, function: Callable) -> Callable:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.step()
            return function(*arguments, **options)

        return counted


@pytest.fixture
def few(fake, tmp_path) -> Path:
    """Few videos that still give several shards, a rejected clip and a rejected file."""
    folder = tmp_path / "few"
    fake.write(folder / "first.mp4", 50, size=45_000, bad=[30])
    fake.write(folder / "second.mp4", 20, size=45_000, silent=list(range(10)))
    fake.write(folder / "third.mp4", 30, size=45_000)
    fake.write(folder / "flat.mp4", reason="not-360")
    return folder


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_step_leaves_a_build_that_goes_on(fake, few, tmp_path, monkeypatch, every):
    with Trap(None).set(monkeypatch) as trap:
        fake.build(few, tmp_path / "whole")
    whole = fake.tree(tmp_path / "whole")
    assert sum(".tar" in name for name in whole) >= 4
    assert trap.steps > 100
    for last_step in range(0, trap.steps, every):
        data = tmp_path / f"killed{last_step}"
        with Trap(last_step).set(monkeypatch), pytest.raises(Killed):
            fake.build(few, data)
        for tar in data.glob("*/*.tar"):
            assert whole[str(tar.relative_to(data))] == tar.read_bytes()
        fake.build(few, data)
        assert fake.tree(data) == whole, f"killed after {last_step} steps"


def test_kills_again_and_again_still_end_in_the_same_bytes(fake, few, tmp_path, monkeypatch):
    fake.build(few, tmp_path / "whole")
    data, kills = tmp_path / "killed", 0
    while True:
        try:
            with Trap(30).set(monkeypatch):
                fake.build(few, data)
            break
        except Killed:
            kills += 1
            assert kills < 200, "it does not get on"
    assert kills > 3
    assert fake.tree(data) == fake.tree(tmp_path / "whole")


def test_a_kill_while_adding_keeps_what_was_there(fake, few, tmp_path, monkeypatch):
    for data in ("whole", "counted"):
        fake.build(few / "first.mp4", tmp_path / data)
    before = fake.tree(tmp_path / "whole")
    fake.build(few, tmp_path / "whole")
    with Trap(None).set(monkeypatch) as trap:
        fake.build(few, tmp_path / "counted")
    for last_step in range(0, trap.steps, 5):
        data = tmp_path / f"killed{last_step}"
        fake.build(few / "first.mp4", data)
        with Trap(last_step).set(monkeypatch), pytest.raises(Killed):
            fake.build(few, data)
        for name, content in before.items():
            if name.endswith(".tar"):
                assert (data / name).read_bytes() == content
        fake.build(few, data)
        assert fake.tree(data) == fake.tree(tmp_path / "whole")


def test_a_full_disk_is_one_line_and_the_build_goes_on_later(fake, few, tmp_path, monkeypatch):
    with Trap(None).set(monkeypatch, writes_only=True) as trap:
        fake.build(few, tmp_path / "whole")
    whole = fake.tree(tmp_path / "whole")
    for last_step in range(1, trap.steps, 2):
        data = tmp_path / f"full{last_step}"
        full = Trap(last_step, lambda: OSError(28, "No space left on device"))
        with (
            full.set(monkeypatch, writes_only=True),
            user_error("system", key=data),
        ):
            fake.build(few, data)
        assert not list(data.glob("**/*.tmp"))
        fake.build(few, data)
        assert fake.tree(data) == whole


def decode_all(fake, monkeypatch) -> None:
    """Let the faked conversion succeed at what did not decode before."""
    convert_clips = fake.convert_clips

    def mended(source, requests, form, **more):
        source.facts.pop("bad", None)
        yield from convert_clips(source, requests, form, **more)

    monkeypatch.setattr(fake, "convert_clips", mended)


def test_a_retry_after_a_kill_tries_again_what_was_rejected_before_it(
    fake, few, tmp_path, monkeypatch
):
    with Trap(None).set(monkeypatch) as trap:
        rejected = fake.build(few, tmp_path / "whole").info.rejected
    assert [(each.file, each.start_s) for each in rejected] == [
        ("first.mp4", 30),
        ("flat.mp4", None),
        ("second.mp4", 0),
    ]
    every = {*fake.all_keys(tmp_path / "whole"), "first-00030"}
    for last_step in range(0, trap.steps, 9):
        data = tmp_path / f"killed{last_step}"
        with Trap(last_step).set(monkeypatch), pytest.raises(Killed):
            fake.build(few, data)
        with monkeypatch.context() as patch:
            decode_all(fake, patch)
            report = fake.build(few, data, retry=True)
        assert sorted(fake.all_keys(data)) == sorted(every)
        assert [each.file for each in report.info.rejected] == ["flat.mp4", "second.mp4"]
        assert fake.faults(data) == []


def test_a_kill_of_a_retry_loses_no_rejection(fake, few, tmp_path, monkeypatch):
    fake.build(few, tmp_path / "whole")
    whole = fake.tree(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "counted")
    with Trap(None).set(monkeypatch) as trap:
        fake.build(few, tmp_path / "counted", retry=True)
    for last_step in range(0, trap.steps, 3):
        data = Path(shutil.copytree(tmp_path / "whole", tmp_path / f"killed{last_step}"))
        with Trap(last_step).set(monkeypatch), pytest.raises(Killed):
            fake.build(few, data, retry=True)
        fake.build(few, data)
        assert fake.tree(data) == whole, f"killed after {last_step} steps"


def test_a_changed_input_is_not_mixed_with_its_old_clips(fake, few, tmp_path, monkeypatch):
    data = tmp_path / "data"
    with Trap(50).set(monkeypatch), pytest.raises(Killed):
        fake.build(few, data)
    assert list((data / ".staging" / "clips").iterdir())
    for name in ("first", "second", "third"):
        fake.write(few / f"{name}.mp4", 50, size=20_000)
    fake.build(few, data)
    fake.build(few, tmp_path / "fresh")
    assert fake.tree(data) == fake.tree(tmp_path / "fresh")


def test_inputs_added_after_a_kill_lose_and_double_nothing(fake, few, tmp_path, monkeypatch):
    with Trap(None).set(monkeypatch) as trap:
        fake.build(few, tmp_path / "whole")
    fake.write(few / "added.mp4", 40, size=20_000)
    fake.build(few, tmp_path / "all")
    expected = set(fake.all_keys(tmp_path / "all"))
    (few / "added.mp4").rename(tmp_path / "later.mp4")
    for last_step in range(40, trap.steps, 17):
        data = tmp_path / f"killed{last_step}"
        with Trap(last_step).set(monkeypatch), pytest.raises(Killed):
            fake.build(few, data)
        (tmp_path / "later.mp4").rename(few / "added.mp4")
        fake.build(few, data)
        (few / "added.mp4").rename(tmp_path / "later.mp4")
        keys = fake.all_keys(data)
        assert len(keys) == len(set(keys))
        assert set(keys) == expected
        assert fake.faults(data) == []
