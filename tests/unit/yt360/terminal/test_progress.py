"""Progress is plain lines where there is no terminal."""

from __future__ import annotations

import io

import pytest

from yt360.terminal import progress
from yt360.terminal.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_log_lines_carry_count_rate_and_time_left(capsys, clock):
    with Progress("cutting", total=100, unit="clips") as bar:
        bar.advance()
        clock[0] += progress.SECONDS_BETWEEN_LINES
        bar.advance(19)
        assert capsys.readouterr().err == "cutting: 20/100 clips, 1.9/s, 0:42 left\n"
        bar.advance(80)
    assert capsys.readouterr().err == "cutting: 100/100 clips, 9.9/s, 0:00 left\n"


def test_a_slow_first_step_frightens_nobody(capsys, clock):
    with Progress("training", total=60, unit="steps") as bar:
        for seconds in (17, 11, 11, 2, 2):
            clock[0] += seconds
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [f"training: {step}/60 steps" for step in (1, 2, 3)]
    assert lines[3:] == ["training: 5/60 steps, 0.154/s, 5:58 left"]


def test_a_bar_shows_the_time_left_once_it_is_known(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    with Progress("training", total=60, unit="steps") as bar:
        for _ in range(progress.WARM_UP_UNITS + progress.MEASURED_UNITS - 1):
            clock[0] += 1
            bar.advance()
        assert "left" not in terminal.getvalue()
        clock[0] += 1
        bar.advance()
        bar._bar.refresh()
    assert "4/60 steps" in terminal.getvalue() and "1/s, 0:56 left" in terminal.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_last_line_is_not_said_twice(capsys, clock):
    with Progress("cutting", total=20, unit="clips") as bar:
        clock[0] += progress.SECONDS_BETWEEN_LINES
        bar.advance(20)
    assert capsys.readouterr().err == "cutting: 20/20 clips\n"


def test_quick_steps_do_not_flood_the_log(capsys, clock):
    with Progress("reading", total=None, unit="videos") as bar:
        for _ in range(50):
            clock[0] += 0.1
            bar.advance()
    assert capsys.readouterr().err.splitlines() == ["reading: 50 videos, 10/s"]


def test_work_done_before_does_not_count_for_the_rate(capsys, clock):
    with Progress("packing", total=7300, unit="clips", done=50) as bar:
        bar.advance()
        clock[0] += 10
        bar.advance(10)
    assert capsys.readouterr().err.splitlines()[0] == "packing: 61/7300 clips, 1/s, 2:00:39 left"


def test_nothing_done_prints_nothing_and_notes_pass_through(capsys):
    with Progress("packing", total=5, unit="clips") as bar:
        bar.note("skipped: silent")
    assert capsys.readouterr().err == "skipped: silent\n"
