"""Trackers: what they get, and that training does not depend on them.

wandb and trackio are replaced by fakes with the same calls.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import pytest
from helpers.errors import user_error

from avsa.tracking.trackers import ID_FILE, Trackio, Wandb, curves, parse_track, tracker_starts
from avsa.training.metrics_log import FILE_NAME, RunLog, read_log


class Service:
    """What `wandb.init` or `trackio.init` returns, and the module itself.

    Args:
        step: Steps that the service has already.
        fails: Method that fails.
    """

    def __init__(self, step=0, fails=""):
        self.step, self.fails, self.calls = step, fails, []

    def Settings(self, **options):
        return options

    def init(self, **options):
        self._call("init", options)
        return self

    def log(self, values, step):
        self._call("log", (step, values))

    def finish(self):
        self._call("finish", None)

    def _call(self, name, value):
        self.calls.append((name, value))
        if self.fails == name:
            raise RuntimeError("the server\nis gone")

    def options(self):
        return next(value for name, value in self.calls if name == "init")

    def logged(self):
        return [value for name, value in self.calls if name == "log"]


def train(run, *starts, first=0, last=3):
    with RunLog(run, first, last, trackers=starts) as log:
        for step in range(first + 1, last + 1):
            log.step(step, "avc", 0, {"loss": float(step)})


@pytest.mark.parametrize("tracker", [Wandb, Trackio])
def test_a_tracker_gets_the_recipe_the_values_of_each_step_and_the_end(tmp_path, tracker):
    service = Service()
    train(tmp_path, partial(tracker, service, {"seed": 1}))
    assert service.options()["config"] == {"seed": 1}
    assert service.logged() == [(step, {"loss": float(step)}) for step in (1, 2, 3)]
    assert service.calls[-1] == ("finish", None)


@pytest.mark.parametrize(("tracker", "key"), [(Wandb, "id"), (Trackio, "name")])
def test_a_resumed_run_goes_on_under_its_name_and_a_new_one_gets_another(tmp_path, tracker, key):
    names = []
    for first in (0, 2, 0):
        service = Service()
        train(tmp_path, partial(tracker, service, {}), first=first)
        names.append(service.options()[key])
    assert names[0] == names[1] != names[2]


def test_wandb_gets_no_step_twice(tmp_path):
    service = Service(step=3)  # the next step of a run that was killed after its last checkpoint
    train(tmp_path, partial(Wandb, service, {}), first=1, last=4)
    assert [step for step, _ in service.logged()] == [3, 4]


@pytest.mark.parametrize("fails", ["log", "finish"])
def test_a_tracker_that_fails_is_one_warning_and_the_log_has_every_step(tmp_path, capsys, fails):
    broken, good = Service(fails=fails), Service()
    train(tmp_path, partial(Wandb, broken, {}), partial(Trackio, good, {}))
    assert [record["step"] for record in read_log(tmp_path)] == [1, 2, 3]
    lines = map(json.loads, (tmp_path / FILE_NAME).read_text().splitlines())
    (warning,) = [line["warning"] for line in lines if "warning" in line]
    assert "wandb" in warning and "the server is gone" in warning
    assert capsys.readouterr().err.count(warning) == 1
    assert len(broken.logged()) == (1 if fails == "log" else 3)
    assert len(good.logged()) == 3
    assert broken.calls[-1] == good.calls[-1] == ("finish", None)


@pytest.mark.parametrize("tracker", [Wandb, Trackio])
def test_a_tracker_that_cannot_start_is_refused_and_the_others_are_closed(tmp_path, tracker):
    other = Service()
    with user_error("dependency", tracker.__name__.lower()):
        train(tmp_path, partial(Wandb, other, {}), partial(tracker, Service(fails="init"), {}))
    assert other.calls[-1] == ("finish", None)


@pytest.mark.parametrize("content", [b"../x\n", b"\xff", b"1" * 1000])
def test_an_odd_id_is_refused(tmp_path, content):
    (tmp_path / ID_FILE).write_bytes(content)
    with user_error("invalid", tmp_path / ID_FILE):
        Wandb(Service(), {}, tmp_path, 1)


def test_no_tracker_leaves_only_the_log(tmp_path):
    train(tmp_path, *tracker_starts(parse_track("none"), {}))
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert curves([], tmp_path) == []


def test_names_of_trackers_are_checked():
    assert parse_track("tensorboard, tensorboard") == ["tensorboard"]
    for wrong in ("tensorbord", "none,tensorboard", ""):
        with user_error("unknown-name", "--track"):
            parse_track(wrong)


def test_a_tracker_whose_package_is_missing_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with user_error("dependency", "wandb"):
        parse_track("tensorboard,wandb")


@pytest.mark.parametrize("error", [ImportError("no symbol"), AttributeError("np.float_")])
def test_a_tracker_whose_package_is_broken_is_refused(error):
    def broken(name):
        raise error

    with user_error("dependency", "wandb"):
        tracker_starts(["tensorboard", "wandb"], {}, broken)
