"""`tools/kill` notices what a kill breaks."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from helpers.paths import TOOLS
from kill.compare import differences, snapshot
from kill.killer import Case, Killer, Reference, table
from kill.launcher import children_of
from kill.process import Kill, Moment, Run
from kill.stages import Stage

from yt360.catalog import Catalog


def done(code=0, landed=False, **more):
    """Return what came of a command."""
    return Run(code, 1.0, 5, landed, **{"orphans": [], "output": "", "errors": "", **more})


class Toy:
    """A launcher whose command writes a file in two halves; a kill comes between them.

    Args:
        careful: Whether it begins anew after a kill, or goes on as if nothing had been.
        after_kill: What comes of a command that is killed.
    """

    def __init__(self, careful, after_kill):
        self.careful, self.after_kill = careful, after_kill

    def run(self, stage, folder, kill=None):
        assert stage.name == "toy"
        half, whole = folder / "half", folder / "whole"
        if self.careful or not half.exists():
            half.write_text("first")
        if kill is not None:
            half.write_text("fir")
            return self.after_kill
        whole.write_text(half.read_text() + " second")
        half.unlink()
        return done()


KILLED = done(-signal.SIGKILL, landed=True)
REFERENCE = Reference({"whole": "x"}, 1.0, 5)


@pytest.fixture
def toy_case(tmp_path):
    """Return a function that runs a case of the toy."""

    def run(careful, after_kill=KILLED, number=0):
        killer = Killer(tmp_path / "material", tmp_path / "out", Toy(careful, after_kill), seed=0)
        stage = Stage(name="toy", command=("toy",))
        case = killer.case(stage, number, killer.reference(stage))
        return case, (tmp_path / "out" / "toy" / f"case-{number:04d}").exists()

    return run


def test_a_command_that_goes_on_exactly_passes_and_leaves_no_folder(toy_case):
    case, kept = toy_case(careful=True)
    assert case.compared and case.kills and not case.faults and not kept


def test_a_difference_is_found_and_its_folder_kept(toy_case):
    case, kept = toy_case(careful=False)
    assert kept
    (fault,) = case.faults
    assert fault.startswith("whole: ")


@pytest.mark.parametrize(
    ("after_kill", "fault"),
    [
        (done(1, landed=True, errors="Traceback (most recent call last)"), "traceback"),
        (done(-9, landed=True, orphans=["ffmpeg -i x"]), "left running: ffmpeg -i x"),
        (done(2, errors="error: no"), "exit code 2"),
        (done(None, landed=True), "did not end"),
    ],
)
def test_each_kind_of_fault_is_told(toy_case, after_kill, fault):
    case, _ = toy_case(careful=True, after_kill=after_kill)
    assert any(fault in each for each in case.faults)


def test_the_seed_decides_signals_and_moments(toy_case):
    first, second = toy_case(True, number=3)[0], toy_case(True, number=3)[0]
    assert first.kills == second.kills != toy_case(True, number=4)[0].kills


def test_snapshots_tell_leftovers_and_content_apart_but_no_times(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, step_s in ((one, 0.5), (other, 0.7)):
        (folder / "run").mkdir(parents=True)
        record = {"step": 1, "loss": 0.25, "step_s": step_s}
        (folder / "run" / "log.jsonl").write_text(json.dumps(record) + "\n")
        (folder / "run" / f"events.out.tfevents.{step_s}").touch()
        with Catalog(folder / "my.catalog", create=True) as catalog:
            catalog.videos.add("-abcdefghi_")
    assert differences(snapshot(one), snapshot(other)) == []
    (other / ".clip.tmp").touch()
    (other / "run" / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    with closing(sqlite3.connect(other / "my.catalog")) as connection, connection:
        connection.execute("UPDATE videos SET state = 'failed'")
    names = {line.partition(": ")[0] for line in differences(snapshot(one), snapshot(other))}
    assert names == {".clip.tmp", "run/log.jsonl", "my.catalog"}


def test_the_table_counts_what_landed_by_stage_and_signal():
    kill = Kill("SIGTERM", Moment(1.0))
    cases = [Case("train", 0, [kill, kill], [], True), Case("embed", 0, [], ["differs"], True)]
    assert table(cases).splitlines()[2:] == [
        "| train | 0 | 0 | 2 | 0 | 1 | 0 |",
        "| embed | 0 | 0 | 0 | 0 | 1 | 1 |",
        "| all | 0 | 0 | 2 | 0 | 2 | 1 |",
    ]


def test_a_signal_reaches_the_child_that_is_meant():
    code = "import subprocess, sys; sys.exit(subprocess.run(['sleep', '60']).returncode + 9)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        kill = Kill("SIGKILL of a child", Moment(0))
        while not (children_of(process.pid) and kill.send(process.pid)):
            pass
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_some_kills_of_a_real_command(tmp_path):
    stage = "labels import"
    options = ["--kills", "3", "--stage", stage, "--out", str(tmp_path)]
    command = [sys.executable, "-m", "kill", *options]
    result = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"| {stage} |" in result.stdout
