"""Train the networks of an evaluation, and resume after a kill.

Step n is a pure function of the weights after step n - 1 and of (seed, n): batches come from orders
of keyed randomness, and torch's generators are seeded with a key before each step. The state is
saved now and then, and an evaluation that was killed continues with the same numbers to the bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from avsa.evals.result import Row
from avsa.training.checkpoint import save_checkpoint
from avsa.training.distributed import World, mean_over_ranks, require_agreement
from avsa.training.learner import seed_torch
from avsa.training.optimizer import Adam, set_learning_rate
from yt360.config import config_class
from yt360.errors import UserError
from yt360.terminal.progress import Progress
from yt360.untrusted.torch_files import read_torch

SAVE_EVERY_STEPS, SAVE_EVERY_S = 200, 60.0
STATE_FILE = "state.pt"

B = TypeVar("B")
Loss = tuple[Tensor, dict[str, Tensor]]


@config_class
class ScheduleConfig:
    """Adam, and a learning rate that falls by a factor after some epochs."""

    epochs: Annotated[int, Field(ge=1, le=10**6)] = 10
    """Passes over the training split."""
    lr: Annotated[float, Field(gt=0, le=1e6)] = 1e-4
    """Learning rate of the first epoch."""
    weight_decay: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Added to the gradient, times the weights."""
    milestones: tuple[Annotated[int, Field(ge=1, le=10**6)], ...] = ()
    """Epochs after which the learning rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor of the learning rate."""

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        return self.lr * self.gamma ** sum(epoch >= each for each in self.milestones)


class Fit(Generic[B]):
    """Training of networks by a schedule.

    Args:
        name: What is trained, for the progress and the key of random draws.
        networks: Everything that is trained; its buffers are saved, too.
        schedule: Epochs and learning rates.
        steps_per_epoch: Steps of an epoch.
        seed: Seed of the random draws of the networks, such as dropout.
        world: This process and the other ranks. Gradients are averaged over ranks.
        work: Folder for the state (`avsa.evals.base.Context.work`).
    """

    def __init__(
        self,
        name: str,
        networks: nn.Module,
        schedule: ScheduleConfig,
        steps_per_epoch: int,
        seed: int,
        world: World,
        work: Path,
    ) -> None:
        self.name, self.networks, self.schedule = name, networks, schedule
        self.steps_per_epoch, self.seed, self.world = steps_per_epoch, seed, world
        self._path = work / f"{name.replace(' ', '-')}-{STATE_FILE}"
        self._parameters = [each for each in networks.parameters() if each.requires_grad]
        self._optimizer = Adam(self._parameters, lr=schedule.lr, weight_decay=schedule.weight_decay)
        self._epochs: list[Row] = []
        self._sums: dict[str, float] = {}

    def run(
        self, batches_from: Callable[[int], Iterator[B]], loss_of: Callable[[B], Loss]
    ) -> tuple[Row, ...]:
        """Train to the end, from where a killed run was.

        Args:
            batches_from: Returns the batches from a step on, the same for each call.
            loss_of: Returns the loss of a batch, whose mean over ranks is minimized, and numbers to
                record, all scalars. The networks must be in the mode in which they train.

        Returns:
            A row an epoch: ``epoch`` from 1, ``lr``, and the means of ``loss`` and the numbers.

        Raises:
            UserError: The loss is not finite.
        """
        step, last = self._load(), self.schedule.epochs * self.steps_per_epoch
        require_agreement({f"the saved step of {self.name}": step})
        if step == last:
            return tuple(self._epochs)
        batches = batches_from(step)
        progress = Progress(f"training {self.name}", last, "steps", done=step)
        saved_at = time.monotonic()
        with closing(batches), progress:  # type: ignore[type-var]
            for number in range(step + 1, last + 1):
                self._step(number, next(batches), loss_of)
                if self.world.is_first:
                    progress.advance()
                    is_due = time.monotonic() - saved_at > SAVE_EVERY_S
                    if is_due or number % SAVE_EVERY_STEPS == 0 or number == last:
                        self._save(number)
                        saved_at = time.monotonic()
        if self.world.size > 1:
            for buffer in self.networks.buffers():  # such as statistics of batch norm
                dist.broadcast(buffer, src=0)
        return tuple(self._epochs)

    def _step(self, step: int, batch: B, loss_of: Callable[[B], Loss]) -> None:
        seed_torch(self.seed, "evaluation", self.name, step, self.world.rank)
        epoch = (step - 1) // self.steps_per_epoch
        rate = self.schedule.rate(epoch)
        self._optimizer.zero_grad(set_to_none=True)
        loss, numbers = loss_of(batch)
        loss.backward()
        average_gradients(self._parameters, self.world)
        numbers = {"loss": loss.detach(), **numbers}
        values = mean_over_ranks(torch.stack([each.double() for each in numbers.values()])).tolist()
        if not math.isfinite(values[0]):
            raise UserError(
                f"training {self.name}: the loss is {values[0]} at step {step}; lower the learning "
                "rate (--set schedule.lr=..., or, with avsa eval all, "
                f"--set {self.name}.schedule.lr=...)",
                "out-of-range",
                "schedule.lr",
            )
        set_learning_rate(self._optimizer, rate)
        self._optimizer.step()
        for key, value in zip(numbers, values, strict=True):
            self._sums[key] = self._sums.get(key, 0.0) + value
        if step % self.steps_per_epoch == 0:
            means = {key: value / self.steps_per_epoch for key, value in self._sums.items()}
            self._epochs.append({"epoch": epoch + 1, "lr": rate, **means})
            self._sums = {}

    def _save(self, step: int) -> None:
        content: dict[str, Any] = {
            "step": step,
            "schedule": repr(asdict(self.schedule)),
            "networks": self.networks.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epochs": [dict(row) for row in self._epochs],
            "sums": dict(self._sums),
        }
        save_checkpoint(self._path, content)

    def _load(self) -> int:
        """Load the state of a killed run; return its step."""
        if not self._path.exists():
            return 0
        try:
            state: Any = read_torch(self._path)
            self.networks.load_state_dict(state["networks"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._epochs, self._sums = list(state["epochs"]), dict(state["sums"])
            return int(state["step"])
        except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
            raise UserError(
                f"{self._path} is damaged ({error}); remove it to train again from the start",
                key=self._path,
            ) from None


def average_gradients(parameters: list[nn.Parameter], world: World) -> None:
    """Replace gradients by their means over ranks; a parameter without one counts as zero."""
    if world.size == 1:
        return
    for each in parameters:
        if each.grad is None:
            each.grad = torch.zeros_like(each)
    flat = torch.cat([each.grad.flatten() for each in parameters if each.grad is not None])
    dist.all_reduce(flat)
    flat /= world.size
    first = 0
    for each in parameters:
        each.grad = flat[first : first + each.numel()].view_as(each)
        first += each.numel()
