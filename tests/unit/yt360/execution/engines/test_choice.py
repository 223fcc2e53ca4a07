"""The choice of an engine on the command line."""

from __future__ import annotations

import pytest
from helpers.errors import user_error

from yt360.execution.engines.choice import open_executor
from yt360.execution.engines.ray_pool import RayExecutor
from yt360.execution.engines.slurm import SlurmExecutor
from yt360.execution.executor import LocalExecutor


def installed(package: str) -> str:
    return package


def test_engines_are_chosen_by_name(tmp_path):
    config = tmp_path / "ray.yaml"
    config.write_text("cpus: 2\nenv: {A: b}\n")
    assert isinstance(open_executor(), LocalExecutor)
    ray = open_executor("ray:10.0.0.1:6379", config, find_package=installed, ask=False)
    assert isinstance(ray, RayExecutor)
    slurm = open_executor("slurm:cpu", find_package=installed, ask=False)
    assert isinstance(slurm, SlurmExecutor)
    here = open_executor("ray", find_package=installed)
    assert here.default_workers <= LocalExecutor().default_workers < ray.default_workers
    assert min(here.default_workers, slurm.default_workers) > 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rai", "unknown-name"),
        ("", "unknown-name"),
        ("ray:", "invalid"),
        ("slurm:", "invalid"),
        ("local:4", "invalid"),
    ],
)
def test_other_names_are_refused(text, code):
    with user_error(code, "--executor"):
        open_executor(text, find_package=installed)


@pytest.mark.parametrize(
    ("text", "code"),
    [("cpu: 2", "unknown-name"), ("cpus: -1", "out-of-range"), ("cpus: [", "invalid")],
)
def test_options_that_do_not_fit_are_refused(tmp_path, text, code):
    config = tmp_path / "ray.yaml"
    config.write_text(text)
    with user_error(code):
        open_executor("ray", config, find_package=installed)


@pytest.mark.parametrize("engine", ["ray", "slurm"])
def test_an_engine_that_is_not_installed_is_named(engine):
    with user_error("dependency", "--executor"):
        open_executor(engine, find_package=lambda _: None)


@pytest.mark.parametrize(
    "engine", ["ray:127.0.0.1:1", "ray:127.0.0.1:99999", "ray:a..b:1", "ray:a:²", "slurm"]
)
def test_an_engine_that_does_not_answer_is_refused_before_a_command_begins(
    engine, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sinfo
    with user_error("network", "--executor"):
        open_executor(engine, output=tmp_path / "out", find_package=installed)
    assert not list(tmp_path.iterdir())


def test_this_machine_has_no_options(tmp_path):
    with user_error("conflict", "--executor-config"):
        open_executor("local", tmp_path / "any.yaml")
