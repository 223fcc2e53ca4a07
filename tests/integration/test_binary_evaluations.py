"""Binary evaluations of a dataset: what they find, on one rank and on two."""

from __future__ import annotations

import json
import socket
import sys

import numpy as np
import pytest
import torch
from helpers import processes
from helpers.scene_runs import TINY, invoke
from helpers.small_datasets import DURATION_S, FORM, mp4_bytes
from torch import nn

from avsa.cli import cli, main
from avsa.config.recipe import load_config
from avsa.evals.base import Context
from avsa.evals.config_options import configure
from avsa.evals.result import records_of
from avsa.evals.subject import Evaluated
from avsa.hub.load import Model
from avsa.models.encoders import Encoders
from avsa.training.distributed import World
from avsa.views.audio_statistics import ensure_statistics
from yt360.ambisonics.transforms import encode
from yt360.clip_codec.flac import encode_flac
from yt360.sphere import direction

pytestmark = pytest.mark.slow
SMALL = ("--set", "schedule.epochs=2", "--set", "test_draws=2", "--set", "draws_per_video=2")


def lit_source(number):
    """A clip that is bright where its one source is, and opposite to it; any azimuth."""
    drawn = np.random.default_rng(number)
    azimuth = drawn.uniform(-np.pi, np.pi)
    seen = np.pi - 2 * np.pi * (np.arange(FORM.width) + 0.5) / FORM.width
    shape = (DURATION_S * FORM.fps, FORM.height * 3 // 2, FORM.width)
    frames = np.full(shape, 128, np.uint8)
    frames[:, : FORM.height] = 40 + 180 * np.cos(seen - azimuth) ** 2
    signal = torch.from_numpy(drawn.normal(0, 3000, DURATION_S * FORM.sample_rate_hz))
    field = encode(signal, direction(torch.tensor(azimuth), torch.tensor(0.0)).double()).numpy()
    audio = (field + drawn.normal(0, 30, field.shape)).astype(np.int16)
    key = f"video{number:03d}"
    facts = {"video_id": key, "start_s": 0, "duration_s": float(DURATION_S),
             "source": {"file_start_s": 0}}  # fmt: skip
    return f"{key}-00000", {
        "mp4": mp4_bytes(frames),
        "flac": encode_flac(audio, FORM.sample_rate_hz),
        "json": json.dumps(facts).encode(),
    }


class Brightness(nn.Module):
    """An encoder of video: brightness in the middle of the view."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(16))

    def forward(self, video):
        return video[..., 12:20, 12:20].mean((1, 2, 3, 4))[:, None] * self.scale


class Levels(nn.Module):
    """An encoder of audio: levels of Y, Z and X relative to W."""

    def forward(self, spectrograms):
        levels = spectrograms.mean((2, 3))
        return 3 * (levels - levels[:, :1]).repeat(1, 4)


def test_alignment_is_found_where_audio_and_video_show_it(make_dataset, tmp_path):
    clips = [lit_source(number) for number in range(32)]
    dataset = make_dataset(train=[clips[:16]], test=[clips[16:]])
    config = load_config("small", TINY)
    statistics = ensure_statistics(dataset, config.audio, samples=16)
    model = Model(
        config, Encoders(Brightness(), Levels(), 16), None, statistics, FORM.fps, 0
    ).eval()
    world = World(0, 1, torch.device("cpu"))
    places = (tmp_path / "work", tmp_path / "features", tmp_path, "made")
    context = Context(Evaluated("made", model), dataset, world, *places)
    settings = {"schedule.lr": "0.003", "draws_per_video": "5", "test_draws": "4"}
    found = configure("avsa-bin", {}, settings).evaluate(context).metrics
    assert found["accuracy"].low > 0.75
    for name in ("audio_alone", "video_alone", "swapped"):
        assert abs(found[name].value - 0.5) < 0.1


def evaluate_on_a_rank(*words):
    """Run ``avsa``; the function of a process."""
    sys.argv = ["avsa", *map(str, words)]
    main()


@pytest.mark.parametrize("kind", ["avc-bin", "avsa-bin"])
def test_two_ranks_find_what_one_finds(kind, own_run, tmp_path):
    words = ("eval", kind, own_run.run, "--data", own_run.dataset, "--device", "cpu", *SMALL)
    invoke(cli, *words, "--out", tmp_path / "one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        processes.start(__file__, "evaluate_on_a_rank", *words, "--out", tmp_path / "two",
                        output=tmp_path / f"{rank}.txt", RANK=str(rank), LOCAL_RANK=str(rank),
                        **address)
        for rank in range(2)
    ]  # fmt: skip
    for number, rank in enumerate(ranks):
        rank.join(200)
        assert rank.exitcode == 0, (tmp_path / f"{number}.txt").read_text()
    one, two = (next(iter(records_of(tmp_path / name)))[1].result for name in ("one", "two"))
    assert two.metrics == one.metrics and two.notes == one.notes
    for ours, theirs in zip(two.tables["epochs"], one.tables["epochs"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
