"""Where the values of each training step go beside ``log.jsonl``: TensorBoard, wandb, trackio.

A tracker is a convenience. One that fails while training runs is dropped with one warning, since
the log of the run has every value anyway.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from yt360.errors import UserError, did_you_mean
from yt360.files import atomic_write
from yt360.terminal.text import shortened
from yt360.untrusted.files import read_limited

PROJECT = "avsa"
ID_FILE = "tracking-id.txt"
_ID = re.compile(r"[0-9a-f]{8}")


class Tracker(Protocol):
    """Takes the values of each step. Any exception of its methods means that it has failed."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step; steps ascend."""

    def close(self) -> None:
        """Write what is left, and end."""


StartTracker: TypeAlias = Callable[[Path, int], Tracker]
"""Starts a tracker, given the folder of the run and the number of finished steps (0: a new run)."""


class TensorBoard:
    """Scalars in ``events.out.tfevents.*``; those of steps after `first_step` are superseded."""

    def __init__(self, run: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        with ExitStack() as opened:
            opened.enter_context(_silent_tensorboard_threads())
            self._scalars = SummaryWriter(str(run), purge_step=first_step + 1)
            opened.callback(self._scalars.close)
            self._opened = opened.pop_all()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write one scalar for each value."""
        for name, value in values.items():
            self._scalars.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()


class Wandb:
    """A run of Weights & Biases, in the project $WANDB_PROJECT (``avsa``).

    Args:
        wandb: The module.
        config: The recipe.
        run: Folder of the run; files of wandb are in its folder ``wandb``.
        first_step: Number of finished steps.

    Raises:
        UserError: ``"dependency"``: It cannot start.
    """

    def __init__(self, wandb: Any, config: Mapping[str, Any], run: Path, first_step: int) -> None:
        identity = _identity(run, first_step)
        with _starting("wandb", "log in with `wandb login`, set WANDB_MODE=offline"):
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT") or PROJECT,
                name=run.name,
                id=identity,
                resume="allow",
                dir=str(run),
                config=dict(config),
                settings=wandb.Settings(
                    console="off", silent=True, disable_git=True, save_code=False
                ),
            )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record a step. Steps that a resumed run repeats are there already, with equal values."""
        if step >= self._run.step:
            self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Wait until all is written, or sent if wandb is online."""
        self._run.finish()


class Trackio:
    """A run of trackio, in the project ``avsa``.

    Args:
        trackio: The module.
        config: The recipe.
        run: Folder of the run.
        first_step: Number of finished steps.

    Raises:
        UserError: ``"dependency"``: It cannot start.
    """

    def __init__(self, trackio: Any, config: Mapping[str, Any], run: Path, first_step: int) -> None:
        name = f"{run.name}-{_identity(run, first_step)}"
        with _starting("trackio", "see whether it works alone"), redirect_stdout(io.StringIO()):
            self._trackio = trackio
            self._run = trackio.init(
                project=PROJECT, name=name, resume="allow", config=dict(config), embed=False
            )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Wait until all is written."""
        with redirect_stdout(io.StringIO()):  # it prints what it does
            self._trackio.finish()


_OPTIONAL: dict[str, Callable[[Any, Mapping[str, Any], Path, int], Tracker]] = {
    "wandb": Wandb,
    "trackio": Trackio,
}
NAMES = ("tensorboard", *_OPTIONAL)
KNOWN = (*NAMES, "none")
_CURVES = {
    "tensorboard": "tensorboard --logdir {run}",
    "wandb": "wandb (if offline: wandb sync {run}/wandb/offline-run-*)",
    "trackio": f"trackio show --project {PROJECT}",
}


class Guarded:
    """A tracker that is dropped, with one warning, when it fails.

    Args:
        tracker: The tracker.
        warn: Is called with the warning.
    """

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker, self._warn, self._works = tracker, warn, True

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record a step if the tracker still works."""
        if self._works:
            self._try(partial(self._tracker.log, step, values))

    def close(self) -> None:
        """Close the tracker, also one that failed."""
        self._try(self._tracker.close)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever its library raises
            if self._works:
                self._works = False
                name = type(self._tracker).__name__.lower()
                self._warn(
                    f"{name} failed ({_described(error)}); training goes on without it, and the "
                    "log of the run has all values"
                )


def parse_track(text: str) -> list[str]:
    """Return the names in a list such as ``tensorboard,wandb``; none for ``none``.

    Raises:
        UserError: ``"unknown-name"``: A name is not known. ``"dependency"``: The package of a
            tracker is not installed.
    """
    if text.strip() == "none":
        return []
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in NAMES:
            raise UserError(
                f"--track has no tracker {shortened(name, 100)!r}{did_you_mean(name, KNOWN)}",
                "unknown-name",
                "--track",
            )
        if name in _OPTIONAL and find_spec(name) is None:
            raise UserError(
                f"--track {name} needs {name}: `pip install {name}` (the extra [{name}])",
                "dependency",
                name,
            )
    return names


def tracker_starts(
    names: Sequence[str],
    config: Mapping[str, Any],
    import_module: Callable[[str], Any] = importlib.import_module,
) -> list[StartTracker]:
    """Return what starts each tracker; only these are imported.

    Args:
        names: As `parse_track` returns them.
        config: The recipe as a mapping, for trackers that show it.
        import_module: Imports the package of a tracker.

    Raises:
        UserError: ``"dependency"``: A package cannot be imported.
    """

    def imported(name: str) -> Any:
        try:
            return import_module(name)
        except Exception as error:  # whatever a broken installation raises
            raise UserError(
                f"{name} is installed but cannot be imported ({_described(error)}); repair it "
                f"with `pip install --force-reinstall {name}`, or leave it out of --track",
                "dependency",
                name,
            ) from None

    return [
        partial(_OPTIONAL[name], imported(name), config) if name in _OPTIONAL else TensorBoard
        for name in names
    ]


def curves(names: Sequence[str], run: Path) -> list[str]:
    """Return how to see the curves of a run, one text for each tracker."""
    return [_CURVES[name].format(run=run) for name in names]


def _identity(run: Path, first_step: int) -> str:
    """Return the id of a run at trackers, which stays the same when it is resumed."""
    path = run / ID_FILE
    if first_step and path.exists():
        try:
            text = read_limited(path, 100).decode("ascii").strip()
        except ValueError as error:
            raise UserError(f"{path} cannot be read ({error}); remove it", key=path) from None
        if not _ID.fullmatch(text):
            raise UserError(f"{path} has no id of 8 hexadecimal digits; remove it", key=path)
        return text
    identity = secrets.token_hex(4)
    with atomic_write(path, "w") as file:
        file.write(identity + "\n")
    return identity


@contextmanager
def _starting(name: str, advice: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever its library raises
        raise UserError(
            f"{name} cannot start: {_described(error)}; {advice}, or leave it out of --track",
            "dependency",
            name,
        ) from error


def _described(error: Exception) -> str:
    return shortened(" ".join(str(error).split()) or type(error).__name__, 300)


@contextmanager
def _silent_tensorboard_threads() -> Iterator[None]:
    """Suppress tracebacks of the thread of TensorBoard: its next caller gets the same error."""
    before = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard"):
            before(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
