"""The card of a model: the page that a hub shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avsa.hub.saved import RECIPE_FILE, Saved
from yt360.terminal.text import markdown_code


@dataclass(frozen=True)
class ResultRow:
    """A number of an evaluation.

    Attributes:
        evaluation: Name of the evaluation.
        dataset: Name of the dataset.
        metric: Name of the metric.
        value: Its value with the unit.
        interval: Its 95 % interval over videos; empty if it has none.
        chance: The value of guessing; empty if there is none.
    """

    evaluation: str
    dataset: str
    metric: str
    value: str
    interval: str
    chance: str


def model_card(
    saved: Saved, source: str = "PATH_OF_THIS_FOLDER", results: Sequence[ResultRow] = ()
) -> str:
    """Return the model card: contents, training, numbers, use and limits.

    Args:
        saved: The model.
        source: What `avsa.load` gets in the example.
        results: Numbers of its evaluations.
    """
    config = saved.config
    millions = sum(tensor.numel() for tensor in saved.encoders.values()) / 1e6
    stages = "\n".join(
        f"- {markdown_code(name)}: {markdown_code(stage)}" for name, stage in config.stages.items()
    )
    frames = f"{config.views.height}x{config.views.width}"
    video, audio = config.data, config.audio
    return f"""---
library_name: avsa
tags: [audio-visual, self-supervised, spatial-audio, 360-video, ambisonics]
---

# Audio-visual encoders trained by avsa

Two encoders ({millions:.1f} million weights) that give {config.encoders.video.feature_dim} features
each of a perspective view of a 360° video and of its spatial audio, trained without labels by
predicting one from the other ("Learning Representations from Audio-Visual Spatial Alignment",
Morgado et al., NeurIPS 2020).

## How it was trained

{stages}

Saved after step {saved.step}, in stage {markdown_code(saved.stage)}, trained on
{markdown_code(saved.clips)}. The complete recipe is in `{RECIPE_FILE}`.

## Use

```python
import avsa

model = avsa.load("{source}")
features = model.embed(video, audio)  # features.video, features.audio
match = model.similarity(video, audio)  # from -1 to 1
```

- `video`: a perspective crop of the panorama, uint8 RGB (T, H, W, 3), {video.video_duration_s} s
  at {saved.fps} frames per second; resized to {frames}.
- `audio`: float ambiX (4, S), {video.audio_duration_s} s at {audio.sample_rate_hz} Hz, rotated into
  the frame of the view.

{_results(results)}## Limits

Features reflect the places, people and music of the training videos. They have not been checked for
fairness and must not be used for decisions about people.
"""


def _results(rows: Sequence[ResultRow]) -> str:
    """Return a section with a table, or nothing without rows."""
    if not rows:
        return ""
    lines = [
        "| "
        + " | ".join(
            [
                *(
                    markdown_code(name).replace("|", "\\|")
                    for name in (row.evaluation, row.dataset)
                ),
                markdown_code(row.metric).replace("|", "\\|"),
                row.value,
                row.interval,
                row.chance,
            ]
        )
        + " |"
        for row in rows
    ]
    head = ["| evaluation | dataset | metric | value | 95 % interval | chance |", "|" + "---|" * 6]
    return "## Evaluation\n\n" + "\n".join([*head, *lines]) + "\n\n"
