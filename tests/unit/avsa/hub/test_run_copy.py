"""Runs in buckets: what is uploaded, and from what a run resumes."""

import json

import pytest
from helpers.errors import user_error
from helpers.memory_buckets import Memory, contents, memory_bucket

from avsa.hub.run_copy import RunCopy, run_copy
from avsa.training.checkpoint import checkpoint_path, checkpoints_of
from yt360.buckets.failures import changed
from yt360.buckets.lease import LEASE_FILE, WriterLease

URL = "memory://bucket/run"


@pytest.fixture
def store():
    return Memory()


@pytest.fixture
def opened(store, tmp_path):
    """Open the run from a machine."""

    def open_run(machine="one", resume=False):
        return run_copy(URL, tmp_path / machine, resume, memory_bucket(URL, store))

    return open_run


def train(run, *steps, recipe="recipe"):
    """Write what a run writes, with only these checkpoints."""
    run.mkdir(exist_ok=True)
    (run / "config.yaml").write_text(recipe)
    (run / "dataset.txt").write_text("data")
    (run / "log.jsonl").write_text(json.dumps(steps))
    for path in checkpoints_of(run):
        path.unlink()
    for step in steps:
        path = checkpoint_path(run, step)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"checkpoint {step}")


def test_each_checkpoint_is_uploaded_and_old_ones_are_deleted(store, opened):
    with opened() as copy:
        train(copy.run, 1, 2)
        copy.push()
        train(copy.run, 2, 3)
        copy.push()
    assert contents(store, URL) == {
        "checkpoints/step-00000002.pt": b"checkpoint 2",
        "checkpoints/step-00000003.pt": b"checkpoint 3",
        "config.yaml": b"recipe",
        "dataset.txt": b"data",
        "log.jsonl": b"[2, 3]",
    }


def test_another_machine_resumes_from_the_newest_checkpoint(opened):
    with opened() as copy:
        train(copy.run, 9, 10)
        copy.push()
    with opened("two", resume=True) as copy:
        assert [path.read_text() for path in checkpoints_of(copy.run)] == ["checkpoint 10"]
        assert (copy.run / "config.yaml").read_text() == "recipe"
        assert (copy.run / "log.jsonl").read_text() == "[9, 10]"


def test_a_newer_checkpoint_of_the_same_run_is_kept(opened):
    with opened() as copy:
        train(copy.run, 1)
        copy.push()
        train(copy.run, 2)
    with opened(resume=True) as copy:
        assert [path.read_text() for path in checkpoints_of(copy.run)] == ["checkpoint 2"]
        train(copy.run, 3, recipe="of another run")
    with opened(resume=True) as copy:
        assert [path.read_text() for path in checkpoints_of(copy.run)] == ["checkpoint 1"]


def test_a_run_is_not_replaced_and_must_exist_to_be_resumed(store, opened):
    with user_error("missing", "--out"), opened(resume=True):
        pass
    with opened() as copy:
        train(copy.run, 1)
        copy.push()
    before = contents(store, URL)
    with user_error("exists", "--out"), opened():
        pass
    with (
        WriterLease(memory_bucket(URL, store), "elsewhere"),
        user_error("in-use", URL),
        opened(resume=True),
    ):
        pass
    assert contents(store, URL) == before and LEASE_FILE not in before


def test_training_goes_on_when_a_checkpoint_cannot_be_uploaded(store, tmp_path, capsys):
    class Refusing(Memory):
        def pipe_file(self, *_, **__):
            raise PermissionError("refused")

    copy = RunCopy(memory_bucket(URL, Refusing()), tmp_path / "run", lambda: None)
    train(copy.run, 1)
    copy.push_or_note()
    assert "note: " in capsys.readouterr().err
    with user_error("system"):
        copy.push_last()


def test_training_ends_when_another_process_has_taken_over(store, tmp_path):
    def taken_over():
        raise changed(URL)

    copy = RunCopy(memory_bucket(URL, store), tmp_path / "run", taken_over)
    train(copy.run, 1)
    with user_error("in-use", URL):
        copy.push_or_note()
    assert contents(store, URL) == {}
