"""The configuration of a training run: everything that determines what it computes."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Annotated

from pydantic import Field

from avsa.data.loader import DataConfig
from avsa.data.training_order import SamplingConfig
from avsa.models.compute import ComputeConfig
from avsa.models.encoders import EncodersConfig
from avsa.tasks import TASKS
from avsa.tasks.avc import AvcConfig
from avsa.tasks.base import TaskConfig
from avsa.training.checkpoint import CheckpointConfig
from avsa.training.optimizer import OptimizerConfig
from avsa.views.sampling import ViewConfig
from avsa.views.spectrogram import AudioConfig
from yt360.config import Section, config_class, conflict
from yt360.splits import Split

MAX_SEED = 2**53


@config_class
class StageConfig:
    """One stage of a curriculum. The next stage keeps the encoders; heads and optimizer are new."""

    task: Annotated[TaskConfig, Section(TASKS, default="avc")] = AvcConfig()
    """The pretext task."""
    epochs: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Length in epochs of the training split (or give `steps`)."""
    steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Length in optimizer steps (or give `epochs`)."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 112
    """Clips in a global batch, all ranks together."""
    num_views: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Views of a clip; null: as in `views`."""
    windows_per_clip: Annotated[int, Field(ge=1, le=64)] | None = None
    """Clip windows taken from each clip; null: as in `data`."""

    def __post_init__(self) -> None:
        if (self.epochs > 0) == (self.steps > 0):
            raise conflict(
                f"epochs is {self.epochs} and steps {self.steps}; set exactly one of them above 0"
            )
        least = self.task.needs.batch_size
        if self.batch_size < least:
            raise conflict(
                f"batch_size is {self.batch_size}; {self.task.kind} needs {least} or more"
            )

    def __str__(self) -> str:
        unit = "epochs" if self.epochs else "steps"
        return f"{self.task.kind} for {self.epochs or self.steps} {unit}"


@config_class
class ValidationConfig:
    """Evaluation of the task on held-out clips during training (`avsa.training.validation`)."""

    every_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps between two validations; the last step is always validated; 0: never."""
    split: Split = "test"
    """Split of the dataset with the held-out clips."""


@config_class
class TrainConfig:
    """Everything that determines what a run computes."""

    seed: Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED)] = 0
    """Seed of every random choice."""
    stages: dict[str, StageConfig] = field(default_factory=dict)
    """The curriculum, in order."""
    sampling: SamplingConfig = SamplingConfig()
    """Which clips, in which order."""
    data: DataConfig = DataConfig()
    """What is read of a clip, and how."""
    views: ViewConfig = ViewConfig()
    """Where views look, and how they are jittered."""
    audio: AudioConfig = AudioConfig()
    """Spectrograms."""
    encoders: EncodersConfig = EncodersConfig()
    """The networks of the two modalities."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights are updated."""
    compute: ComputeConfig = ComputeConfig()
    """How the device computes."""
    validation: ValidationConfig = ValidationConfig()
    """When held-out clips are evaluated."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When checkpoints are saved."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise conflict("the recipe has no stages; give one, such as stages.avc.epochs=100")
        if self.compute.batch_norm_splits > 1 and self.optimizer.micro_batches > 1:
            raise conflict(
                f"optimizer.micro_batches is {self.optimizer.micro_batches} and already splits the "
                "batch for batch norm; set compute.batch_norm_splits=1"
            )
        for name in self.stages:
            self._check_stage(name)

    def stage_views(self, name: str) -> ViewConfig:
        """Return the configuration of views in a stage."""
        count = self.stages[name].num_views
        return self.views if count is None else replace(self.views, num_views=count)

    def stage_data(self, name: str) -> DataConfig:
        """Return the configuration of data in a stage."""
        count = self.stages[name].windows_per_clip
        return self.data if count is None else replace(self.data, windows_per_clip=count)

    def _check_stage(self, name: str) -> None:
        task, needs = self.stages[name].task, self.stages[name].task.needs
        views, windows = self.stage_views(name).num_views, self.stage_data(name).windows_per_clip
        if windows < needs.windows_per_clip or windows > needs.windows_per_clip == 1:
            least = needs.windows_per_clip
            allowed = "=1" if least == 1 else f" of {least} or more"
            raise conflict(
                f"stages.{name}: {task.kind} needs windows_per_clip{allowed}, not {windows}"
            )
        if views < needs.num_views:
            raise conflict(
                f"stages.{name}: {task.kind} needs num_views of {needs.num_views} or more, not "
                f"{views}"
            )
        if needs.unflipped and self.views.augment and self.views.hflip_probability > 0:
            raise conflict(
                f"stages.{name}: {task.kind} needs views that are not flipped; set "
                "views.hflip_probability=0"
            )
