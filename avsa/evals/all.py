"""Carry out every evaluation that a model and the data allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsa.data.remote.mirror import address_of
from avsa.evals import EVALUATIONS
from avsa.evals.base import EvaluationConfig, Offer, Variant
from avsa.evals.config_options import default_options
from avsa.evals.result import Record
from avsa.evals.run import command_line, evaluate
from avsa.evals.subject import Evaluated
from avsa.training.distributed import World
from yt360.config import from_mapping
from yt360.errors import BadItem, UserError
from yt360.registry import Registry

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """An evaluation to carry out, or to skip.

    Attributes:
        title: Name and options, for the reader.
        config: The evaluation; None if it is skipped.
        lacks: What is missing if it is skipped.
    """

    title: str
    config: EvaluationConfig | None
    lacks: str = ""

    def command(self, offer: Offer, out: Path) -> str:
        """Return the command that carries it out alone.

        Args:
            offer: The model and the data.
            out: Folder in which ``eval/`` is created.
        """
        assert self.config is not None
        dataset = offer.dataset if self.config.needs_dataset else None
        address = None if dataset is None else address_of(dataset)
        return command_line(self.config, offer.subject.name, address, out)


@dataclass(frozen=True)
class Failure:
    """An evaluation that failed.

    Attributes:
        title: Its title.
        reason: The message of the error.
        is_bug: Whether the error is one of the program.
    """

    title: str
    reason: str
    is_bug: bool


def plan(
    offer: Offer, seed: int = 0, registry: Registry[EvaluationConfig] = EVALUATIONS
) -> list[Planned]:
    """Return all evaluations and their variants, in the order of the registry.

    Args:
        offer: The model and the data.
        seed: Seed of all evaluations.
        registry: The evaluations.

    Raises:
        UserError: An evaluation cannot be imported.
    """
    return [
        _planned(config, variant, seed)
        for config in map(registry.load, registry)
        for variant in config.variants(offer)
    ]


def _planned(config: type[EvaluationConfig], variant: Variant, seed: int) -> Planned:
    words = [
        f"{name}={value}" for name, value in variant.options.items() if name not in config.addresses
    ]
    title = " ".join([config.kind, *words])
    if variant.lacks:
        return Planned(title, None, variant.lacks)
    given = {k: str(v) if isinstance(v, Path) else v for k, v in variant.options.items()}
    options: dict[str, Any] = {**default_options(config), **given}
    return Planned(title, from_mapping(config, {**options, "kind": config.kind, "seed": seed}))


def evaluate_all(
    planned: Sequence[Planned],
    offer: Offer,
    out: Path,
    world: World,
    open_again: Callable[[], Evaluated],
) -> Iterator[tuple[Planned, Record, Path] | Failure]:
    """Carry out evaluations one after another; one that fails does not stop the others.

    Those whose records exist are not repeated, and one that was killed goes on where it was.

    Args:
        planned: From `plan`; those that are skipped are passed over.
        offer: The data.
        out: Folder in which ``eval/`` is created.
        world: This process and the other ranks.
        open_again: Loads the model; each evaluation gets one of its own, which it may train.

    Yields:
        An evaluation with its record and the file of it, or its failure.
    """
    for each in planned:
        if each.config is None:
            continue
        dataset = offer.dataset if each.config.needs_dataset else None
        try:
            record, path = evaluate(each.config, open_again(), dataset, out, world)
        except (UserError, BadItem, OSError) as error:
            yield Failure(each.title, str(error), is_bug=False)
        except Exception as error:
            logger.exception("%s failed", each.title)
            yield Failure(each.title, f"{type(error).__name__}: {error}", is_bug=True)
        else:
            yield each, record, path
