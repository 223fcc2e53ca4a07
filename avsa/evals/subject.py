"""The model that is evaluated: a trained one, an untrained one, or one trained on Kinetics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsa.config.train_config import TrainConfig
from avsa.evals.result import Subject
from avsa.hub.load import Model, model_of, read_model
from avsa.hub.saved import is_export
from avsa.models.kinetics import default_weights, load_kinetics
from avsa.tasks.contrastive import TranslationTask
from avsa.training.run_folder import CONFIG_FILE
from yt360.clip_codec.format import ClipFormat
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import sha256_of

SCRATCH, KINETICS = "scratch", "kinetics"
"""Words for models without a run."""


@dataclass(frozen=True)
class Evaluated:
    """The model that an evaluation gets.

    Attributes:
        name: The word or path that the user gave.
        model: In evaluation mode on the device; None for ``scratch`` and ``kinetics``.
        stage: Stage in which the weights were saved.
    """

    name: str
    model: Model | None
    stage: str = ""

    @property
    def config(self) -> TrainConfig | None:
        """The recipe of training, if there is one."""
        return None if self.model is None else self.model.config

    def require_model(self) -> Model:
        """Return the trained model.

        Raises:
            UserError: ``"unsupported"``: It is ``scratch`` or ``kinetics``.
        """
        if self.model is None:
            raise UserError(
                f"this evaluation does not take {self.name!r}; give the folder of a run",
                "unsupported",
                "RUN",
            )
        return self.model

    @property
    def translates(self) -> bool:
        """Whether the model has translation networks."""
        return self._translation is not None

    def require_translation(self) -> TranslationTask:
        """Return the task of the trained model, which has translation networks.

        Raises:
            UserError: ``"unsupported"``: It has none.
        """
        task = self.require_model().task
        if self._translation is None:
            described = (
                "it has only encoders" if task is None else f"its task is {task.config.kind}"
            )
            raise UserError(
                f"{self.name} has no translation networks ({described}); leave out what needs them,"
                " or train with a recipe that has them, such as avsa or avc-transformer",
                "unsupported",
                "translation",
            )
        return self._translation

    @property
    def _translation(self) -> TranslationTask | None:
        task = None if self.model is None else self.model.task
        if isinstance(task, TranslationTask) and task.config.translation.kind != "none":
            return task
        return None

    def describe(self) -> Subject:
        """Return the description of the model for a record."""
        if self.model is None:
            return Subject(name=self.name)
        recipe: dict[str, Any] = to_mapping(self.model.config)
        statistics = self.model.audio_statistics
        return Subject(
            name=self.name,
            weights_sha256=self.model.weights_hash(),
            statistics_sha256="" if statistics is None else statistics.sha256(),
            step=self.model.step,
            stage=self.stage,
            recipe=recipe,
        )


def open_subject(name: str, device: str) -> Evaluated:
    """Load a model by its path, or by a word.

    Args:
        name: Folder of a run, a checkpoint, an exported folder, one of these in a bucket or on a
            hub, ``scratch`` or ``kinetics``.
        device: As for `avsa.hub.load.load`.

    Raises:
        UserError: There is no such model, or it is damaged, or `name` is both a word and the folder
            of a run (``"conflict"``).
    """
    if name in (SCRATCH, KINETICS):
        if folder_of(name) is not None:
            raise UserError(
                f"{name!r} names a model without a run, and there is a run in the folder {name}; "
                f"give ./{name} for the run, or work in another folder",
                "conflict",
                "RUN",
            )
        return Evaluated(name, None)
    saved = read_model(name)
    return Evaluated(name, model_of(saved, device), saved.stage)


def describe_kinetics(subject: Evaluated, weights: Path | None) -> dict[str, str]:
    """Return the fingerprint of the weights of ``kinetics``; of other models nothing.

    Args:
        subject: The model.
        weights: The file; None for its usual place.

    Raises:
        UserError: ``"conflict"``: A file is given for another model. Or the reasons of
            `avsa.models.kinetics.load_kinetics`.
    """
    if subject.name == KINETICS:
        load_kinetics(weights)
        return {"kinetics weights": sha256_of(weights or default_weights())}
    if weights is not None:
        raise UserError(
            f"--kinetics-weights is for the model {KINETICS!r} only, not for {subject.name}; leave "
            "it out",
            "conflict",
            "--kinetics-weights",
        )
    return {}


def require_clip_format(model: Model, form: ClipFormat) -> None:
    """Check that the clips of a dataset are like those on which a model was trained.

    Raises:
        UserError: ``"conflict"``: They have another frame rate or sample rate.
    """
    takes = {"--fps": model.fps, "--sample-rate-hz": model.config.audio.sample_rate_hz}
    has = {"--fps": form.fps, "--sample-rate-hz": form.sample_rate_hz}
    for option, value in takes.items():
        if has[option] != value:
            raise UserError(
                f"the dataset was built with {option} {has[option]} and the model needs "
                f"{option} {value}; build a dataset with this value (`yt360 build-shards`)",
                "conflict",
                option,
            )


def folder_of(name: str) -> Path | None:
    """Return the folder in which results of a model belong; None if the user must name one."""
    path = Path(name)
    return path if (path / CONFIG_FILE).is_file() or (path.is_dir() and is_export(path)) else None
