"""Batches of views with targets, as the evaluation prescribes them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from avsa.config.train_config import TrainConfig
from avsa.data.loader import DataConfig
from avsa.data.order import Order
from avsa.evals.protocol import Protocol, data_of, views_of
from avsa.evals.segmentation.targets import Sample, TargetReader, with_targets
from avsa.training.distributed import World
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import batches
from avsa.views.sampling import ViewConfig
from yt360.shards.format.reader import ShardReader

TRAIN_HFOV_DEG, TEST_HFOV_DEG = (50.0, 87.0), (76.0, 76.0)


@dataclass(frozen=True)
class SampleSource:
    """Reads the batches of training and test.

    Attributes:
        recipe: Size and elevations of views, their jitter, spectrograms, and clip windows.
        statistics: Statistics that standardize spectrograms.
        world: The ranks that share each batch.
        num_views: Views of a clip.
        seed: Seed of views and clip windows.
        protocol: published: elevations and jitter of views are those of the published code,
            test views are augmented, and the video is at a random position in its audio; paper: it
            is in the middle, the time of the targets.
    """

    recipe: TrainConfig
    statistics: AudioStatistics
    world: World
    num_views: int
    seed: int
    protocol: Protocol

    @property
    def alone(self) -> SampleSource:
        """The same for one rank, which gets whole batches."""
        return replace(self, world=World(0, 1, self.world.device))

    @property
    def data(self) -> DataConfig:
        """One clip window at a time."""
        data = data_of(self.recipe, self.protocol)
        return data if self.protocol == "published" else replace(data, video_position="middle")

    def views(self, training: bool) -> ViewConfig:
        """Return uniform views; all views of a clip are flipped, or none."""
        low, high = TRAIN_HFOV_DEG if training else TEST_HFOV_DEG
        augment = training or self.protocol == "published"
        return replace(
            views_of(self.recipe, self.protocol, self.num_views, augment),
            hfov_min_deg=low,
            hfov_max_deg=high,
            hflip_probability=0.5,
            hflip_per_view=False,
        )

    def training(
        self, clips: ShardReader, order: Order, labels: TargetReader, first_step: int
    ) -> Generator[Sample]:
        """Yield this rank's part of the batches of training, from a step on."""
        return self._samples(clips, order, labels, True, first_step)

    def testing(self, clips: ShardReader, order: Order, labels: TargetReader) -> Generator[Sample]:
        """Yield this rank's part of the batches of testing."""
        return self._samples(clips, order, labels, False, 0)

    def _samples(
        self,
        clips: ShardReader,
        order: Order,
        labels: TargetReader,
        training: bool,
        first_step: int,
    ) -> Generator[Sample]:
        drawn = batches(
            clips,
            order,
            self.seed,
            self.data,
            self.views(training),
            self.recipe.audio,
            self.statistics,
            self.world,
            first_step,
        )
        return with_targets(drawn, labels, self.data.audio_duration_s)
