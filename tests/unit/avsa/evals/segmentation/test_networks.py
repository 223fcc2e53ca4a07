"""The networks of segmentation, and models that they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.errors import user_error
from torch import nn

from avsa.config.recipe import load_config
from avsa.evals.segmentation.config import SegmentationConfig
from avsa.evals.segmentation.networks import Subnetworks, build_networks, open_subnetworks
from avsa.evals.subject import Evaluated
from avsa.training.distributed import World

ALONE = World(0, 1, torch.device("cpu"))
FRAMES = 4


@pytest.mark.parametrize("mode", ["none", "norms", "all"])
def test_what_training_changes(context, mode):
    parts = open_subnetworks(context.subject, "video+audio+context", mode == "all", None, 0)
    networks = build_networks(parts, mode, FRAMES, 0, ALONE)
    before = {name: each.clone() for name, each in networks.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in networks.parameters() if p.requires_grad], lr=1e-2)
    video, audio = torch.randn(1, 2, 3, 4, 32, 32), torch.randn(1, 2, 4, 101, 16)
    networks.train()(video, audio).square().sum().backward()
    optimizer.step()
    changed = {name for name, each in networks.state_dict().items() if (each != before[name]).any()}
    norms = {name for name in before if "running" in name}
    weights = {name for name in changed if name.startswith("encoders.")} - norms
    assert any(name.startswith("head.") for name in changed)
    assert bool(norms & changed) == (mode != "none")
    assert (len(weights - {n for n in weights if "num_batches" in n}) > 20) == (mode == "all")
    dropout = [each.training for each in networks.modules() if isinstance(each, nn.Dropout)]
    assert dropout and all(each == (mode != "none") for each in dropout)


def test_what_is_concatenated_to_the_last_map(context):
    """[v2a(video), audio, a2v(audio)], for each view those of its own clip."""
    model = context.subject.model
    video, audio = torch.randn(2, 2, 3, 4, 32, 32), torch.randn(2, 2, 4, 101, 16)
    with torch.no_grad():
        of_video, of_audio = model.encoders(video, audio)
        to_video, to_audio = model.task.translate(of_video, of_audio)
        for inputs, expected in {
            "video": of_video[..., :0],
            "video+audio": of_audio,
            "video+audio+context": torch.cat([to_audio, of_audio, to_video], -1),
        }.items():
            parts = open_subnetworks(context.subject, inputs, False, None, 0)
            networks = build_networks(parts, "none", FRAMES, 0, ALONE)
            last = networks.encoders["video"].forward_maps(video.flatten(0, 1))[-1]
            torch.testing.assert_close(networks.conditioning(last, audio), expected.flatten(0, 1))
            assert networks(video, audio).shape == (2, 2, 32, 32, 32)


@pytest.mark.parametrize(
    ("subject", "options", "code", "key"),
    [
        ("kinetics", {"inputs": "video+audio"}, "unsupported", "--inputs"),
        ("kinetics", {"kinetics_weights": Path("missing.pth")}, "missing", "--kinetics-weights"),
        ("scratch", {}, "conflict", "--end-to-end"),
    ],
)
def test_models_without_a_run_are_refused_where_they_do_not_fit(subject, options, code, key):
    config = SegmentationConfig(**options)
    with user_error(code, key):
        open_subnetworks(Evaluated(subject, None), config.inputs, config.end_to_end,
                         config.kinetics_weights, 0)  # fmt: skip


def test_models_without_translation_networks_or_four_scales_are_refused(context):
    context.subject.model.task = None
    with user_error("unsupported", "translation"):
        open_subnetworks(context.subject, "video+audio+context", False, None, 0)
    three = load_config("small", ["encoders.video={base_channels: 2, num_stages: 3}",
                                  "encoders.audio={base_channels: 2, num_stages: 3}"])  # fmt: skip
    for network in (three.encoders.video.build(), nn.Linear(1, 1)):
        with user_error("unsupported", "encoders.video"):
            build_networks(Subnetworks(three, {"video": network}, 8), "none", FRAMES, 0, ALONE)


def test_batch_norm_of_several_ranks_needs_cuda(context):
    parts = open_subnetworks(context.subject, "video", True, None, 0)
    with user_error("conflict", "--end-to-end"):
        build_networks(parts, "all", FRAMES, 0, World(0, 2, ALONE.device))
