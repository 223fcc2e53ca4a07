"""Measure how the published data path differs from the default one (docs/paper.md).

Geometry is simulated: views are drawn as the recipes `avsa` and `avsa-published` draw them.
Features are those of a dataset's clips, and of ``--audio`` files (AAC, say, which never was rounded
to 16 bits); their differences are in standard deviations of the dataset, or of published statistics
(``--stats``). Prints a table in Markdown.

    python tools/published_path.py --data shards --audio FILE.m4a
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avsa.config.recipe import load_config
from avsa.data.clip_window import draw_clip_windows
from avsa.hub.published import read_published_stats
from avsa.models.conv2d import Conv2DConfig
from avsa.models.translation import TranslationConfig
from avsa.views.audio_statistics import AudioStatistics, measure_statistics
from avsa.views.random_audio import random_audio
from avsa.views.sampling import ViewConfig, Views, draw_views
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms
from yt360.clip_codec.format import ClipFormat
from yt360.media.audio.reader import AmbixReader, AudioReader
from yt360.media.probe import probe
from yt360.shards.format.reader import ShardReader
from yt360.sphere import angle_between, view_rotation

OURS, PUBLISHED = load_config("avsa"), load_config("avsa-published")
DRAWS = 2000
Row = tuple[str, str, str]


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="dataset whose clips are used")
    parser.add_argument("--audio", type=Path, nargs="*", default=[], help="spatial audio files")
    parser.add_argument("--stats", type=Path, help="published .npz; by default those of --data")
    parser.add_argument("--samples", type=int, default=16, help="seconds of audio to compare")
    options = parser.parse_args()
    clips = ShardReader(options.data, "train")
    stats = (
        read_published_stats(options.stats)
        if options.stats
        else measure_statistics(options.data, PUBLISHED.audio, 200)
    )
    signals = torch.stack([each.clone() for each in random_audio(clips, options.samples, 0)])
    print("| what | published | here |\n|---|---|---|")
    for row in (*geometry(), *times(), *networks(signals, stats), *features(signals, stats)):
        print(f"| {' | '.join(row)} |", flush=True)
    for path in options.audio:
        print(f"| {' | '.join(rounding_to_16_bits(path, stats))} |")


def geometry() -> Iterator[Row]:
    """Yield differences in the directions of views and their audio."""
    theirs, ours = (_draw(config.views) for config in (PUBLISHED, OURS))

    def both(name: str, measure: Callable[[Views], float], form: str) -> Row:
        return name, form.format(measure(theirs)), form.format(measure(ours))

    yield both("clips with two views closer than 36°", _fraction_of_close_pairs, "{:.1%}")
    yield both("mean field of view", lambda v: _mean_deg(v.hfov), "{:.1f}°")
    yield both("mean distance from the horizon", lambda v: _mean_deg(v.elevation.abs()), "{:.1f}°")
    yield both(
        "views that look more than 30.6° up or down",
        lambda v: (v.elevation.abs() > math.radians(30.6)).double().mean().item(), "{:.1%}",
    )  # fmt: skip
    yield both("mean stretch of the aspect", _mean_stretch, "{:.3f}")
    yield both("mean turn of hue", lambda v: 180 * _config_of(v, theirs).hue, "{:.0f}°")
    error = torch.rad2deg(_heard_from(theirs))
    worst = error.quantile(0.95)
    text = f"mean {error.mean():.1f}°, 95 % under {worst:.1f}°"
    yield "the view's middle is heard off the front (elevation before azimuth)", text, "0°"
    wrong = torch.rad2deg(2 * _azimuths_in(theirs).abs()).mean()
    text = f"half of the views; there by {wrong:.1f}° on average"
    yield "audio on the wrong side (only the video is mirrored)", text, "none"


def times() -> Iterator[Row]:
    """Yield the position of the video in its audio."""
    leads = []
    for config in (PUBLISHED, OURS):
        shape = config.data.window_shape(ClipFormat())
        drawn = draw_clip_windows(shape, [10.0] * DRAWS, 1, 0.0, "times", positions=range(DRAWS))
        offset = drawn.frames / shape.fps - drawn.samples / shape.sample_rate_hz - shape.lead_s
        leads.append(f"{np.abs(offset).mean():.3f} s")
    yield "mean distance of the video from the middle of its audio", leads[0], leads[1]


def networks(signals: Tensor, stats: AudioStatistics) -> Iterator[Row]:
    """Yield differences in untrained networks."""
    torch.manual_seed(0)
    size, count = PUBLISHED.stages["avsa"].batch_size, PUBLISHED.views.num_views
    yield "proposals for a view", f"{count + size - 1}", f"{count * size}"
    features = torch.randn(64, count, 512).relu()
    zeros = []
    for relu in (True, False):
        network = TranslationConfig(kind="transformer", output_relu=relu).build(512)
        zeros.append(f"{(network.eval()(features) == 0).double().mean().item():.0%}")
    yield "translated features that are 0", zeros[0], zeros[1]
    encoder = Conv2DConfig().build(PUBLISHED.audio.num_channels).train()
    views = _draw(PUBLISHED.views, size)
    batch = signals[torch.arange(size) % len(signals)]
    inputs = _features(batch, views.rotations, PUBLISHED.audio, stats).flatten(0, 1)
    with torch.no_grad():
        whole = encoder(inputs)
        halves = torch.cat([encoder(half) for half in inputs.chunk(2)])
    change = (halves - whole).square().mean().sqrt() / whole.std(0).square().mean().sqrt()
    yield f"audio features move by batch norm over half of {size} clips", f"{change:.3f} std", "0"


def features(signals: Tensor, stats: AudioStatistics) -> Iterator[Row]:
    """Yield how far log-mels move when one thing is done as here."""
    views = _draw(PUBLISHED.views, len(signals))
    horizontal = signals.clone()
    horizontal[:, 2] = 0
    audio, right = PUBLISHED.audio, views.rotations
    level = torch.zeros(len(signals), 1, dtype=torch.int64)
    front = view_rotation(level.float(), level.float())
    changes: list[tuple[str, Tensor, Tensor, AudioConfig, Tensor]] = [
        ("absolute floor at -100 dB", signals, right, replace(audio, min_db=-100.0), right),
        ("... Z silent, as stored", horizontal, front, replace(audio, min_db=-100.0), front),
        ("range of 100 dB under the view's peak", signals, right,
         replace(audio, top_db=100.0, peak="view"), right),
        ("elevation after azimuth", signals, _elevation_first(views), audio, right),
    ]  # fmt: skip
    for name, heard, theirs, config, ours in changes:
        with_it = _features(heard, theirs, audio, stats)
        without = _features(heard, ours, config, stats)
        yield f"log-mels move by: {name}", _how_far(with_it - without), "0"
    spread = stats.std_db.mean()
    for name, drawn_by in (("published", PUBLISHED.views), ("here", OURS.views)):
        gain = _draw(drawn_by).gain_db
        within = gain.std(1).mean() / spread
        yield (
            f"levels of a clip's views differ ({name})", f"{within:.3f} std",
            f"all views together {gain.std() / spread:.3f} std",
        )  # fmt: skip


def rounding_to_16_bits(path: Path, stats: AudioStatistics) -> Row:
    """Return how far the features of a file move when its audio is stored in 16 bits."""
    info = probe(path)
    stream = info.audio[0]
    assert stream.layout.format is not None
    rate = PUBLISHED.audio.sample_rate_hz
    with AudioReader(path, stream.position) as reader:
        whole, _ = AmbixReader(reader, stream.layout.format, rate).read(0, 8 * rate)
    seconds = torch.from_numpy(whole).unflatten(-1, (8, rate)).movedim(1, 0).clamp(-1, 1)
    stored = (seconds * 32768).round().clamp(-32768, 32767).to(torch.int16)
    rotations = _draw(PUBLISHED.views, len(seconds)).rotations
    moved = [_features(each, rotations, PUBLISHED.audio, stats) for each in (seconds, stored)]
    return f"log-mels move by: audio of {path.name} in 16 bits", _how_far(moved[1] - moved[0]), "so"


@lru_cache
def _draw(config: ViewConfig, count: int = DRAWS) -> Views:
    return draw_views(config, 0, 0, range(count))


def _config_of(views: Views, theirs: Views) -> ViewConfig:
    return PUBLISHED.views if views is theirs else OURS.views


def _fraction_of_close_pairs(views: Views) -> float:
    first, second = np.triu_indices(views.azimuth.shape[1], 1)
    angles = angle_between(views.directions[:, first], views.directions[:, second])
    return float((angles < math.radians(36 - 1e-3)).any(1).double().mean())


def _mean_deg(angles: Tensor) -> float:
    return float(torch.rad2deg(angles).mean())


def _mean_stretch(views: Views) -> float:
    return float((torch.tan(views.hfov / 2) / torch.tan(views.vfov / 2)).log().abs().mean().exp())


def _elevation_first(views: Views) -> Tensor:
    """Return the rotations by elevation, then by azimuth, without mirroring."""
    level = torch.zeros_like(views.azimuth)
    pitch, yaw = view_rotation(level, views.elevation), view_rotation(views.azimuth, level)
    return yaw @ pitch


def _heard_from(views: Views) -> Tensor:
    """Return how far from the front the middle of a view is heard."""
    heard = (_elevation_first(views) @ views.directions[..., None])[..., 0]
    return angle_between(heard, torch.tensor([1.0, 0.0, 0.0]))


def _azimuths_in(views: Views) -> Tensor:
    """Return azimuths of places uniform in the image plane of each view."""
    place = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, views.hfov.shape))
    return torch.atan(place * torch.tan(views.hfov / 2))


def _features(
    signals: Tensor, rotations: Tensor, audio: AudioConfig, stats: AudioStatistics
) -> Tensor:
    return view_spectrograms(signals, rotations, audio, stats.mean_db, stats.std_db)


def _how_far(difference: Tensor) -> str:
    size = difference.abs()
    return f"rms {difference.square().mean().sqrt():.3f} std, at most {size.max():.2f}"


if __name__ == "__main__":
    main()
