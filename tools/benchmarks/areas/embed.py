"""`avsa embed` with the full networks on a CPU, compared with its networks alone in float32."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from avsa.config.recipe import load_config
from avsa.evals.features import EmbedConfig, embed_dataset
from avsa.hub.load import Model
from avsa.views.audio_statistics import AudioStatistics
from benchmarks.areas.delivery import all_cores
from benchmarks.areas.step import has_bfloat16
from benchmarks.case import Case, Ratio
from benchmarks.material import FPS, RATE_HZ, Material
from benchmarks.meters import wall_ms
from benchmarks.samples import AUDIO_S, FRAMES

BATCH = 4
"""Clips at a time; one view of each."""


def cases(material: Material) -> Iterator[Case]:
    """Yield the case."""
    clips = 2 * BATCH
    dataset = material.many_clips(material.dataset, clips)
    model = full_model(material)
    height, width = model.config.views.height, model.config.views.width
    video = torch.randn(BATCH, 1, 3, FRAMES, height, width)
    steps = model.config.audio.steps(round(AUDIO_S * RATE_HZ))
    audio = torch.randn(BATCH, 1, 4, steps, model.config.audio.n_mels)

    def embed(_: int) -> None:
        with tempfile.TemporaryDirectory(prefix="avsa-bench-") as folder, all_cores():
            config = EmbedConfig(split="train", num_views=1, batch_size=BATCH)
            embed_dataset(model, dataset, Path(folder) / "features.parquet", config)

    def networks(_: int) -> None:
        with torch.inference_mode(), all_cores():
            for _batch in range(clips // BATCH):
                model.encoders(video, audio)

    yield Case(
        "embedding 8 clips, one view each, by the clock",
        {"avsa embed": embed, "its encoders alone, float32": networks},
        [
            Ratio(
                "its encoders alone, float32",
                "avsa embed",
                at_least=1.6 if has_bfloat16() else None,
                higher_is_better=True,
            )
        ],
        meter=wall_ms,
        runs=3,
        inputs=1,
        warm_up=1,
    )


def full_model(material: Material) -> Model:
    """Return the networks of the recipe avsa (tiny: small) with fresh weights."""
    config = load_config("small" if material.tiny else "avsa")
    torch.manual_seed(0)
    encoders = config.encoders.build(config.audio.num_channels)
    num_mels = config.audio.n_mels
    statistics = AudioStatistics(torch.zeros(num_mels), torch.ones(num_mels))
    return Model(config, encoders, None, statistics, FPS, 1).eval()
