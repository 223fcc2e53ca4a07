"""The base class of evaluations: options, and a method that returns a result for a context."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from avsa.data.clips import clips_form, open_clips
from avsa.data.remote.mirror import address_of
from avsa.evals.result import PATH, TEST_PATH, Result
from avsa.evals.subject import Evaluated, require_clip_format
from avsa.evals.workers.pool import Workers
from avsa.training.distributed import World
from avsa.training.run_folder import fingerprint
from avsa.views.audio_statistics import AudioStatistics, ensure_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.config import config_class
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

NEEDS_EMBEDDINGS = "a task that compares embeddings"
"""What a model lacks in whose task video and audio have no common space."""


@dataclass(frozen=True)
class Context:
    """The model, data and folders of an evaluation; they differ between ranks only in `world`.

    Attributes:
        subject: The model.
        dataset: Folder of shards; None if none was given.
        world: This process and the other ranks. Rank 0 alone writes results and pictures.
        work: Folder of the state from which this evaluation resumes after a kill
            (`avsa.evals.fit`); it is removed when the evaluation is complete.
        features: Folder of cached features, shared by all evaluations of a run
            (`avsa.evals.feature_cache`).
        pictures: Existing folder for pictures; their names begin with `name`.
        name: Name of the record, unique for evaluation, options, weights and data.
        test_dataset: Folder of shards whose split test replaces that of `dataset`; None
            for that of `dataset` itself.
        workers: Processes that compute what is needed of each clip; None if this one does. Then
            there is one rank.
    """

    subject: Evaluated
    dataset: Path | None
    world: World
    work: Path
    features: Path
    pictures: Path
    name: str
    test_dataset: Path | None = None
    workers: Workers | None = None

    def require_dataset(self) -> Path:
        """Return the dataset.

        Raises:
            UserError: ``"missing"``: None was given.
        """
        if self.dataset is None:
            raise UserError(
                "this evaluation needs a dataset; give --data DATASET", "missing", "--data"
            )
        return self.dataset

    def dataset_of(self, split: str) -> Path:
        """Return the dataset to which a split belongs; that of the test may be another one.

        Raises:
            UserError: ``"missing"``: No dataset was given.
        """
        if split == "test" and self.test_dataset is not None:
            return self.test_dataset
        return self.require_dataset()

    @contextmanager
    def clips(self, split: str) -> Iterator[ShardReader]:
        """Open a split of its dataset.

        Raises:
            UserError: No dataset was given, the split has no clips, or the clips have another
                format than those on which the model was trained.
        """
        dataset = self.dataset_of(split)
        clips = open_clips(dataset, split)
        try:
            if not len(clips):
                advice = (
                    "build a dataset with both splits"
                    if self.test_dataset is None
                    else "build it with --test-fraction 1, which puts all clips into test"
                )
                raise UserError(
                    f"the split {split} of {dataset} has no clips, which the evaluation needs; "
                    f"{advice}",
                    "empty",
                    split,
                )
            if self.subject.model is not None:
                require_clip_format(self.subject.model, clips_form(clips.info))
            yield clips
        finally:
            clips.close()

    def statistics(self, audio: AudioConfig) -> AudioStatistics:
        """Return the statistics of the model, or those of the dataset if it has none."""
        model = self.subject.model
        if model is not None and model.audio_statistics is not None:
            return model.audio_statistics
        return ensure_statistics(self.require_dataset(), audio)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The model and the data of `avsa eval all`.

    Attributes:
        subject: The model.
        dataset: Folder of shards; None if none was given.
        scenes: Folder of synthetic scenes with their ground truth, from which `dataset` was built.
        ucf101: Folder of UCF101.
        hmdb51: Folder of HMDB51.
    """

    subject: Evaluated
    dataset: Path | None = None
    scenes: Path | None = None
    ucf101: Path | None = None
    hmdb51: Path | None = None

    @property
    def translates(self) -> bool:
        """Whether the model has translation networks."""
        return self.subject.translates

    @property
    def compares(self) -> bool:
        """Whether the task of the model compares embeddings of video and audio."""
        task = None if self.subject.model is None else self.subject.model.task
        return task is not None and task.joint_dim > 0


@dataclass(frozen=True)
class Variant:
    """An evaluation with some options, as `avsa eval all` carries it out or skips it.

    Attributes:
        options: Options that differ from their defaults.
        lacks: What is missing to carry it out, such as ``"a dataset (--data)"``; empty if nothing.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    lacks: str = ""


@config_class
class EvaluationConfig(ABC):
    """Base class of the configurations of evaluations (entries of `avsa.evals.EVALUATIONS`).

    Attributes:
        kind: Name of the evaluation.
        needs_dataset: Whether it cannot work without ``--data``.
        takes_test_data: Whether what it trains on a dataset can be tested on another one
            (``--test-data``). It then opens splits by `Context.clips`.
        takes_workers: Whether something of it is computed clip by clip, by `view_features` or
            `Context.workers`, so that ``--executor`` and ``--workers`` speed it up.
        addresses: Options that are paths of files. The name of a record does not depend on them,
            but on the fingerprints of the files, which `describe_data` returns.
        columns: Parts of the names of metrics that have columns of their own where numbers are
            printed, such as the heads of probes.
    """

    needs_dataset: ClassVar[bool] = True
    takes_test_data: ClassVar[bool] = False
    takes_workers: ClassVar[bool] = True
    addresses: ClassVar[frozenset[str]] = frozenset()
    columns: ClassVar[tuple[str, ...]] = ()
    kind: str
    """Name of the evaluation."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Seed of every random choice."""

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return the variants of `avsa eval all`; by default one, with the default options."""
        lacks = ""
        if offer.subject.model is None:
            lacks = "the folder of a run"
        elif cls.needs_dataset and offer.dataset is None:
            lacks = "a dataset (--data)"
        return [Variant(lacks=lacks)]

    def describe_data(self, subject: Evaluated, dataset: Path | None) -> dict[str, str]:  # noqa: ARG002
        """Return fingerprints of the data for the record; called before any work.

        An evaluation that reads other files than the dataset overrides this method, and checks the
        files in it.

        Args:
            subject: The model.
            dataset: Folder of shards; None if none was given.

        Returns:
            ``path``, the address of the dataset, if there is one; and fingerprints by name.

        Raises:
            UserError: Data are missing or do not belong together.
        """
        return {} if dataset is None else describe_dataset(dataset)

    @abstractmethod
    def evaluate(self, context: Context) -> Result:
        """Evaluate; all ranks take part, and the result of rank 0 is written.

        Raises:
            UserError: Model, data and options do not fit together.
        """


def describe_dataset(dataset: Path) -> dict[str, str]:
    """Return the address of a dataset as ``path``, and the fingerprints of its splits."""
    found = {PATH: address_of(dataset)}
    for split in SPLITS:
        with closing(open_clips(dataset, split)) as clips:
            found[split] = fingerprint(clips)
    return found


def describe_test_dataset(dataset: Path, test_dataset: Path) -> dict[str, str]:
    """Return what replaces the data of a record that is tested on another dataset.

    Args:
        dataset: Folder of shards, whose split train is used.
        test_dataset: Folder of shards, whose split test is used.

    Returns:
        The address of the test dataset as ``test path``, and the fingerprint of its split test.

    Raises:
        UserError: ``"conflict"``: The two splits have a video in common.
    """
    with closing(open_clips(dataset, "train")) as train:
        trained_on = set(train.video_ids)
    with closing(open_clips(test_dataset, "test")) as test:
        common = sorted(trained_on.intersection(test.video_ids))
        if common:
            raise UserError(
                f"{len(common)} videos, such as {common[0]}, are in both the split train of "
                f"{dataset} and the split test of {test_dataset}; test on videos that are not "
                "trained on",
                "conflict",
                "--test-data",
            )
        return {TEST_PATH: address_of(test_dataset), "test": fingerprint(test)}
