"""A model that was never trained, small enough for a test of a second."""

from __future__ import annotations

from typing import Any

import torch

from avsa.config.recipe import config_from_mapping
from yt360.config import to_mapping

SIZE = 24


def tiny_content(stats: bool = True) -> dict[str, Any]:
    """Return the content of a checkpoint of tiny encoders with 24 x 24 views, at random weights."""
    config = config_from_mapping(
        {
            "views": {"height": SIZE, "width": SIZE},
            "audio": {"n_mels": 16},
            "encoders": {
                "video": {"base_channels": 2, "num_stages": 2, "blocks_per_stage": 1},
                "audio": {"base_channels": 2, "num_stages": 2},
            },
            "stages": {
                "avsa": {"steps": 1, "task": {"kind": "avsa", "translation": {"kind": "mlp"}}}
            },
        }
    )
    torch.manual_seed(0)
    encoders = config.encoders.build(4)
    task = config.stages["avsa"].task.build(config.encoders.feature_dim)
    return {
        "step": 5,
        "stage": "avsa",
        "config": to_mapping(config),
        "clips": "3 clips (abc)",
        "fps": 16,
        "stats": {"mean_db": torch.full((16,), -40.0), "std_db": torch.ones(16)} if stats else None,
        "encoders": encoders.state_dict(),
        "task": task.state_dict(),
        "optimizer": {},
    }
