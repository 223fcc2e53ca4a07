"""Carry out every evaluation that a model and the data allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsa.data.remote.mirror import address_of
from avsa.evals import EVALUATIONS
from avsa.evals.base import EvaluationConfig, Offer, Variant
from avsa.evals.config_options import configure_class, option_text
from avsa.evals.result import Record
from avsa.evals.run import command_line, evaluate
from avsa.evals.subject import Evaluated
from avsa.evals.workers.pool import Workers
from avsa.training.distributed import World
from yt360.errors import BadItem, UserError, did_you_mean
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
    offer: Offer,
    seed: int = 0,
    settings: Mapping[str, str] | None = None,
    registry: Registry[EvaluationConfig] = EVALUATIONS,
) -> list[Planned]:
    """Return all evaluations and their variants, in the order of the registry.

    Args:
        offer: The model and the data.
        seed: Seed of all evaluations.
        settings: Options as texts by evaluation and name: ``{"avc-bin.schedule.epochs": "1"}``.
        registry: The evaluations.

    Raises:
        UserError: A setting is of no evaluation, or not allowed; or an evaluation cannot be
            imported.
    """
    by_kind: dict[str, dict[str, str]] = {}
    for key, text in (settings or {}).items():
        kind, _, option = key.partition(".")
        if not option:
            raise UserError(
                f"--set {key} names no option; give EVALUATION.OPTION, such as "
                "segmentation.batch_size=8",
                "invalid",
                key,
            )
        by_kind.setdefault(registry[kind].name, {})[option] = text
    return [
        _planned(registry.load(name), variant, seed, by_kind.get(name, {}))
        for name in registry
        for variant in registry.load(name).variants(offer)
    ]


def leave_out(planned: Sequence[Planned], names: Sequence[str]) -> list[Planned]:
    """Return the evaluations that are not named.

    Args:
        planned: From `plan`.
        names: Titles, such as ``"avc-bin translated=true"``, or names of evaluations, for all of
            their variants.

    Raises:
        UserError: ``"unknown-name"``: A name is neither.
    """
    kinds = {each.title.split()[0] for each in planned}
    known = kinds | {each.title for each in planned}
    for name in names:
        if name not in known:
            raise UserError(
                f"--skip {name!r} is no evaluation{did_you_mean(name, known)}; give one of "
                f"{', '.join(sorted(known))}",
                "unknown-name",
                "--skip",
            )
    return [
        each for each in planned if each.title not in names and each.title.split()[0] not in names
    ]


def _planned(
    config: type[EvaluationConfig], variant: Variant, seed: int, settings: Mapping[str, str]
) -> Planned:
    shown = {k: v for k, v in variant.options.items() if k not in config.addresses}
    title = " ".join([config.kind, *(f"{k}={option_text(v)}" for k, v in shown.items())])
    if variant.lacks:
        return Planned(title, None, variant.lacks)
    for key in settings.keys() & variant.options.keys():
        raise UserError(
            f"--set {config.kind}.{key}: avsa eval all chooses {key} itself; leave it out, or use "
            f"avsa eval {config.kind}",
            "conflict",
            f"{config.kind}.{key}",
        )
    given = {**variant.options, **({} if "seed" in settings else {"seed": seed})}
    return Planned(title, configure_class(config, given, settings))


def evaluate_all(
    planned: Sequence[Planned],
    offer: Offer,
    out: Path,
    world: World,
    open_again: Callable[[], Evaluated],
    workers: Workers | None = None,
) -> Iterator[tuple[Planned, Record, Path] | Failure]:
    """Carry out evaluations one after another; one that fails does not stop the others.

    An evaluation whose record exists is not repeated, and one that was killed is continued.

    Args:
        planned: From `plan`; those that are skipped are passed over.
        offer: The data.
        out: Folder in which ``eval/`` is created.
        world: This process and the other ranks.
        open_again: Loads the model; each evaluation gets one of its own, which it may train.
        workers: Processes for what is computed clip by clip; None for this one.

    Yields:
        An evaluation with its record and the file of it, or its failure.
    """
    for each in planned:
        if each.config is None:
            continue
        dataset = offer.dataset if each.config.needs_dataset else None
        try:
            record, path = evaluate(
                each.config,
                open_again(),
                dataset,
                out,
                world,
                workers=workers if each.config.takes_workers else None,
            )
        except (UserError, BadItem, OSError) as error:
            yield Failure(each.title, str(error), is_bug=False)
        except Exception as error:
            logger.exception("%s failed", each.title)
            yield Failure(each.title, f"{type(error).__name__}: {error}", is_bug=True)
        else:
            yield each, record, path
