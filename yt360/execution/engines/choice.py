"""The engine that ``--executor`` names, with the options of ``--executor-config``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from yt360.errors import UserError, did_you_mean
from yt360.execution.executor import Executor, LocalExecutor
from yt360.terminal.text import shortened

_ENGINES = ("local", "ray", "slurm")


def open_executor(
    text: str = "local",
    config: Path | None = None,
    output: Path = Path("yt360"),
    find_package: Callable[[str], object | None] = find_spec,
    ask: bool = True,
) -> Executor:
    """Return the executor of a command, which calls this before it writes anything.

    Args:
        text: ``local``, ``ray`` (a cluster of its own on this machine), ``ray:ADDRESS``, ``slurm``
            or ``slurm:PARTITION``.
        config: YAML file with the engine's options.
        output: What the command writes or reads; jobs have a folder next to it (``NAME.jobs``).
        find_package: Finds the engine's package by name; returns None if it is not installed.
        ask: Whether the engine must answer.

    Raises:
        UserError: The engine is unknown, not installed or does not answer, or the file does not fit
            it.
    """
    name, colon, detail = text.partition(":")
    if name not in _ENGINES:
        raise UserError(
            f"--executor {shortened(text, 80)!r} is unknown{did_you_mean(name, _ENGINES)}",
            code="unknown-name",
            key="--executor",
        )
    if (colon and not detail) or (detail and name == "local"):
        raise UserError(
            f"--executor {shortened(text, 80)!r} is not local, ray[:ADDRESS] or slurm[:PARTITION]",
            key="--executor",
        )
    if config is not None and name == "local":
        raise UserError(
            "--executor-config goes with --executor ray and slurm",
            code="conflict",
            key="--executor-config",
        )
    if name == "local":
        return LocalExecutor()
    from yt360.config import from_mapping  # slow imports
    from yt360.untrusted.yaml_files import read_yaml_mapping

    values = {} if config is None else read_yaml_mapping(config)
    if name == "ray":
        from yt360.execution.engines.ray_pool import RayConfig, RayExecutor

        _require("ray", name, find_package)
        ray = RayExecutor(from_mapping(RayConfig, values), detail or None)
        if ask:
            ray.require_answer()
        return ray
    from yt360.execution.engines.slurm import SlurmConfig, SlurmExecutor

    _require("submitit", name, find_package)
    folder = output.with_name(f"{output.name}.jobs")
    slurm = SlurmExecutor(from_mapping(SlurmConfig, values), detail or None, folder)
    if ask:
        slurm.require_answer()
    return slurm


def _require(package: str, extra: str, find_package: Callable[[str], object | None]) -> None:
    if find_package(package) is None:
        raise UserError(
            f'the package {package} is missing; install it with: pip install "yt360-avsa[{extra}]"',
            code="dependency",
            key="--executor",
        )
