"""Made features for the heads of the binary tasks."""

from __future__ import annotations

import torch

from avsa.data.order import Draw
from avsa.evals.binary.avsa_bin import TURNED, draw_turn
from avsa.evals.binary.heads import Heads
from avsa.evals.feature_cache import Features
from avsa.evals.fit import Fit, ScheduleConfig
from avsa.training.distributed import World
from yt360.randomness import keyed_generator

ALONE = World(0, 1, torch.device("cpu"))
VIEWS, DIM, BATCH = 2, 8, 32
FAST = ScheduleConfig(epochs=1, lr=0.01)


def features_of(video, turned=None, audio=None, clips_of_video=2):
    """Features of samples, `clips_of_video` of each video."""
    count = len(video)
    return Features(
        split="test",
        keys=[str(i) for i in range(count)],
        video_ids=[str(i // clips_of_video) for i in range(count)],
        audio_start_s=torch.zeros(count),
        video=video,
        audio=video if audio is None else audio,
        directions=torch.zeros(count, VIEWS, 3),
        fov=torch.zeros(count, VIEWS, 2),
        extra={} if turned is None else {TURNED: turned},
    )


def train(config, make, tmp_path, steps=50):
    """Train heads on batches of features that `make(generator, turned)` returns."""
    heads = Heads(DIM, config.seed)

    def batches(first):
        for step in range(first, steps):
            draws = [Draw(step * BATCH + slot, 0, slot) for slot in range(BATCH)]
            turned = torch.tensor([draw_turn(config.seed, 0, d.position)[0] for d in draws])
            generator = keyed_generator(config.seed, "made", step)
            yield config.training_pairs(*make(generator, turned), draws, generator)

    fit = Fit("heads", heads, FAST, steps, config.seed, ALONE, tmp_path)
    return heads, fit.run(batches, heads.loss)


def tensor(values):
    return torch.as_tensor(values, dtype=torch.float32)


def noise(generator, count=BATCH):
    return tensor(generator.normal(size=(count, VIEWS, DIM)))
