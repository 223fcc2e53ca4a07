"""Plot training samples: panorama, audio energy map, views, and network inputs."""

from __future__ import annotations

import math
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from avsa.data.clips import open_clips, open_datasets
from avsa.data.loader import DataConfig
from avsa.data.remote.mirror import dataset_folder
from avsa.preview.panorama_plot import EXTENT, halo, label_directions, panorama_rgb, simplify
from avsa.preview.samples import Samples, samples_of_recipe, samples_of_step
from avsa.training.metrics_log import FILE_NAME as LOG_FILE
from avsa.training.metrics_log import read_log
from avsa.training.run_folder import read_datasets
from avsa.views.batch import Batch
from avsa.views.colors import to_rgb_bytes
from avsa.views.mel_filters import hz_to_mel
from avsa.views.sampling import ViewConfig, Views
from avsa.views.spectrogram import AudioConfig
from yt360.ambisonics.energy_overlay import energy_db, energy_overlay, inferno, shown_range_db
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.sphere import direction_to_equirect, view_grid
from yt360.terminal.text import plot_text

# Colour-blind safe palette of Okabe and Ito.
VIEW_COLORS = ("#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#009E73", "#D55E00", "#0072B2")
CHANNELS = ("W", "Y", "Z", "X")
FREQUENCY_TICKS_HZ = (500, 2000, 8000)
MAX_VIEWS = 6

# Layout of one sample in inches; the origin is its lower left corner.
WIDTH_IN, HEIGHT_IN, DPI = 15.0, 4.25, 100
PANORAMA = (0.5, 0.78, 6.16, 3.08)
ENERGY_BAR = (2.9, 0.3, 2.2, 0.09)
VIEWS_LEFT, VIEWS_RIGHT, VIEWS_TOP = 7.35, 14.68, 3.72
MAX_CROP, VIEW_GAP, STRIP_GAP, STRIPS_BOTTOM = 1.75, 0.14, 0.07, 0.42


def save_preview(
    dataset: Path,
    out: Path,
    data: DataConfig,
    views: ViewConfig,
    audio: AudioConfig,
    *,
    split: str = "train",
    samples: int = 3,
    seed: int = 0,
) -> list[str]:
    """Plot samples drawn by a recipe to a PNG; return the keys of the clips.

    Args:
        dataset: Dataset folder.
        out: Path of the PNG.
        data: Data configuration.
        views: View configuration, with at most 6 views.
        audio: Spectrogram configuration; spectrograms are shown in dB.
        split: Split of the dataset.
        samples: Number of samples (rows).
        seed: Seed of samples and views.

    Raises:
        UserError: The split has no clips, or the recipe does not fit it.
    """
    with closing(open_clips(dataset, split)) as clips:
        return _save(out, samples_of_recipe(clips, data, views, audio, seed), samples)


def save_run_preview(run: Path, out: Path, samples: int, step: int | None = None) -> list[str]:
    """Plot training samples of a step of a run to a PNG; return the keys of the clips.

    Args:
        run: Run folder.
        out: Path of the PNG.
        samples: Number of samples (rows), from the start of the step's batch.
        step: Step number, from 1; by default the last one in the run's log.

    Raises:
        UserError: The folder contains no run, the run has no such step, or its batches are smaller.
    """
    if step is None:
        log = run / LOG_FILE
        records = read_log(run) if log.exists() else []
        step = records[-1]["step"] if records else 1
    datasets = [dataset_folder(each) for each in read_datasets(run)]
    with closing(open_datasets(datasets, "train")) as clips:
        return _save(out, samples_of_step(clips, run, step), samples)


def _save(out: Path, samples: Samples, count: int) -> list[str]:
    num_views = samples.views.num_views
    if num_views > MAX_VIEWS:
        raise UserError(
            f"{num_views} views do not fit on the sheet; set views.num_views to at most "
            f"{MAX_VIEWS}",
            code="out-of-range",
            key="views.num_views",
        )
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN * count), dpi=DPI, facecolor="white")
    keys = []
    for number, part in enumerate(figure.subfigures(count, 1, squeeze=False)[:, 0]):
        batch = samples.load(number)
        draw_sample(part, batch, samples.audio, samples.video_s)
        keys.append(batch.raw.keys[0])
    with atomic_write(out) as file:
        figure.savefig(file, format="png", metadata={"Software": None})
    return keys


def draw_sample(part: SubFigure, batch: Batch, audio: AudioConfig, video_s: float) -> None:
    """Plot the first sample of a batch.

    Args:
        part: Figure to plot to.
        batch: Batch with spectrograms in dB (mean 0, standard deviation 1) and valid raw tensors.
        audio: Spectrogram configuration.
        video_s: Duration of the video.
    """
    _draw_panorama(part, batch, audio.sample_rate_hz)
    lead_s = batch.raw.video_start_s[0] - batch.raw.audio_start_s[0]
    _draw_views(part, batch, audio, (lead_s, lead_s + video_s))


def _draw_panorama(part: SubFigure, batch: Batch, sample_rate_hz: int) -> None:
    axes = _axes(part, *PANORAMA)
    raw = batch.raw
    middle = raw.luma.shape[1] // 2
    image = panorama_rgb(raw.luma[0, middle].numpy(), raw.chroma[0, :, middle].numpy())
    level_db = energy_db(raw.audio[0], *image.shape[:2])
    axes.imshow(energy_overlay(image, level_db), extent=EXTENT, interpolation="lanczos")
    for k, color in _numbered_colors(batch.views):
        for line in outline(batch.views, k):
            u, v = line.T
            axes.plot(360 * (0.5 - u), 180 * (0.5 - v), color=color, lw=1.8, path_effects=halo(3.2))
        azimuth, elevation = _degrees(batch.views.azimuth[0, k], batch.views.elevation[0, k])
        axes.text(
            azimuth, elevation, str(k + 1), color=color, ha="center", va="center", size=13,
            weight="bold", path_effects=halo(2.5), clip_on=True,
        )  # fmt: skip
    label_directions(axes)
    start_s, end_s = (
        raw.audio_start_s[0],
        raw.audio_start_s[0] + raw.audio.shape[-1] / sample_rate_hz,
    )
    axes.set_title(plot_text(raw.keys[0]), loc="left", size=11.5, weight="bold")
    axes.set_title(f"{start_s:.2f} s to {end_s:.2f} s", loc="right", size=9.5)
    _draw_energy_bar(part, shown_range_db(level_db))


def _draw_energy_bar(part: SubFigure, lowest_db: float) -> None:
    colors = ListedColormap(inferno(np.linspace(0, 1, 256)) / 255)
    scale = ScalarMappable(Normalize(lowest_db, 0), colors)
    bar = part.colorbar(scale, cax=_axes(part, *ENERGY_BAR), orientation="horizontal")
    bar.set_ticks([])
    bar.outline.set_visible(False)
    texts = ((-0.02, "right", f"energy   {lowest_db:.1f} dB"), (1.02, "left", "loudest"))
    for x, side, text in texts:
        bar.ax.text(
            x, 0.5, text.replace("-", "−"), transform=bar.ax.transAxes, ha=side, va="center",
            size=8.5,
        )  # fmt: skip


def _draw_views(
    part: SubFigure, batch: Batch, audio: AudioConfig, video_range_s: tuple[float, float]
) -> None:
    num_views, num_channels = batch.video.shape[1], min(batch.audio.shape[2], len(CHANNELS))
    names = ("L", "R") if audio.channels == "stereo" else CHANNELS
    levels = batch.audio[0, :, :num_channels].numpy()
    room = VIEWS_RIGHT - VIEWS_LEFT - (num_views - 1) * VIEW_GAP
    size = min(MAX_CROP, room / num_views)
    strips_top = VIEWS_TOP - size - 1.5 * STRIP_GAP
    strip = (strips_top - STRIPS_BOTTOM - (num_channels - 1) * STRIP_GAP) / num_channels
    for k, color in _numbered_colors(batch.views):
        left = VIEWS_LEFT + k * (size + VIEW_GAP)
        _draw_crop(_axes(part, left, VIEWS_TOP - size, size, size), batch, k, color)
        for channel in range(num_channels):
            bottom = strips_top - strip - channel * (strip + STRIP_GAP)
            axes = _axes(part, left, bottom, size, strip)
            _draw_log_mel(axes, levels[k, channel], audio, levels.max(), video_range_s)
            if k == 0:
                axes.set_yticks(*_mel_ticks(audio), size=7.5)
            if k == num_views - 1:
                axes.text(
                    1.04, 0.5, names[channel], transform=axes.transAxes, size=10, va="center",
                    weight="bold",
                )  # fmt: skip
            if k == 0 and channel == num_channels - 1:
                _label_time(axes, (levels.shape[2] - 1) * audio.hop_length / audio.sample_rate_hz)


def _label_time(axes: Any, duration_s: float) -> None:
    ticks = (0.0, duration_s / 2, duration_s)
    axes.set_xticks(ticks, ["0", f"{duration_s / 2:g}", f"{duration_s:g} s"], size=8)


def _draw_crop(axes: Any, batch: Batch, view: int, color: str) -> None:
    video = batch.video[0, view]
    axes.imshow(to_rgb_bytes(video[:, video.shape[1] // 2].double().numpy()), aspect="auto")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=3.5)
    axes.set_title(_view_title(batch.views, view), size=8.8)


def _draw_log_mel(
    axes: Any,
    levels: NDArray[np.float32],
    audio: AudioConfig,
    top: float,
    video_range_s: tuple[float, float],
) -> None:
    duration_s = (len(levels) - 1) * audio.hop_length / audio.sample_rate_hz
    axes.imshow(
        levels.T, origin="lower", aspect="auto", extent=(0, duration_s, 0, audio.n_mels),
        cmap="magma", vmin=top - 70, vmax=top, interpolation="nearest",
    )  # fmt: skip
    for edge_s in video_range_s:
        axes.axvline(edge_s, color="white", lw=0.7, alpha=0.65, ls=(0, (3, 2)))
    axes.set(xticks=[], yticks=[])
    simplify(axes, size=7)


def outline(views: Views, view: int) -> list[NDArray[np.float64]]:
    """Return the border of a view of the first sample in uv, split where it crosses the seam."""
    azimuth, elevation, hfov, vfov = (
        each[0, view] for each in (views.azimuth, views.elevation, views.hfov, views.vfov)
    )
    grid = view_grid(azimuth, elevation, hfov, 96, 96, vfov=vfov)
    border = torch.cat([grid[0], grid[:, -1], grid[-1].flip(0), grid[:, 0].flip(0), grid[0, :1]])
    uv = direction_to_equirect(border).double().numpy()
    jumps = np.flatnonzero(np.abs(np.diff(uv[:, 0])) > 0.5) + 1
    return [piece for piece in np.split(uv, jumps) if len(piece) > 1]


def _view_title(views: Views, view: int) -> str:
    azimuth, elevation = _degrees(views.azimuth[0, view], views.elevation[0, view])
    hfov = math.degrees(views.hfov[0, view])
    mirrored = ", mirrored" if views.hflip[0, view] else ""
    text = f"{view + 1}: az {azimuth:+.0f}°, el {elevation:+.0f}°\n{hfov:.0f}° wide{mirrored}"
    return text.replace("-", "−")


def _numbered_colors(views: Views) -> list[tuple[int, str]]:
    return list(enumerate(islice(cycle(VIEW_COLORS), views.azimuth.shape[1])))


def _degrees(azimuth: torch.Tensor, elevation: torch.Tensor) -> tuple[float, float]:
    return math.degrees(azimuth), math.degrees(elevation)


def _mel_ticks(audio: AudioConfig) -> tuple[list[float], list[str]]:
    top_hz = audio.sample_rate_hz / 2
    shown = [hz for hz in FREQUENCY_TICKS_HZ if hz < top_hz]
    scale = audio.n_mels / float(hz_to_mel(top_hz))
    labels = [f"{hz / 1000:g} kHz" for hz in shown]
    return [float(hz_to_mel(hz)) * scale for hz in shown], labels


def _axes(part: SubFigure, left: float, bottom: float, width: float, height: float) -> Any:
    """Add axes at a position in inches."""
    return part.add_axes(
        (left / WIDTH_IN, bottom / HEIGHT_IN, width / WIDTH_IN, height / HEIGHT_IN)
    )
