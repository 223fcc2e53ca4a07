"""Draw the images of ``docs/quality.md`` from labelled recordings.

PYTHONPATH=tools python -m quality.draw_images docs/images
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.frame_triplets import SMALL_HEIGHT as HEIGHT
from yt360.media.video.frame_triplets import SMALL_WIDTH as WIDTH
from yt360.quality.signal.alignment import align
from yt360.quality.signal.blocks import changed_blocks
from yt360.randomness import keyed_generator

RATE_HZ = 24_000
INK, FAINT, BLUE, RED = "#22303c", "#8a97a3", "#2f6690", "#b3372f"
TITLES = {
    "ambix": "true ambiX (SN3D)",
    "h2n": "horizontal recorder, weak W",
    "n3d": "N3D",
    "voice-over": "ambiX under a narrator in W",
    "quad": "quad loudspeaker mix",
    "film-5.1": "5.1 film mix",
    "shuffled": "permuted channels",
    "unrelated": "four unrelated sounds",
}


def main() -> None:
    """Run the tool."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    draw_ratios(folder / "quality-ratios.png")
    draw_changes(folder / "quality-changes.png")
    draw_report(folder / "quality-report.png")


def draw_ratios(path: Path) -> None:
    """Draw the distribution of the power ratio over tiles for several kinds of audio."""
    figure, axes = plt.subplots(2, 4, figsize=(11, 4.4), dpi=110, sharex=True)
    for axis, (kind, title) in zip(axes.flat, TITLES.items(), strict=True):
        ratios = np.concatenate([_ratios_db(kind, number) for number in range(6)])
        axis.hist(np.clip(ratios, -15, 15), bins=np.arange(-15, 15.1, 0.5), color=BLUE)
        for gain_db, name in ((0, "SN3D"), (3.01, "FuMa"), (4.77, "N3D")):
            axis.axvline(gain_db, color=RED, linewidth=0.8, alpha=0.7)
            if axis is axes[0, 0]:
                axis.text(gain_db + 0.3, axis.get_ylim()[1] * (0.95 - 0.08 * gain_db), name,
                          color=RED, fontsize=8)  # fmt: skip
        axis.set_title(title, fontsize=10, color=INK, loc="left")
        axis.set_yticks([])
        axis.set_xticks([-12, -6, 0, 6, 12])
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("(X²+Y²+Z²) / W² in dB", fontsize=9, color=INK)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _ratios_db(kind: str, number: int) -> NDArray[np.float64]:
    audio = make_audio(kind, keyed_generator("docs", kind, number), 5.0, RATE_HZ).audio
    tiles = list(FieldAnalyzer(RATE_HZ).feed(audio.astype(np.float32)))
    power = np.real(np.stack([np.einsum("bii->bi", tile.covariance) for tile in tiles]))
    width = np.stack([tile.width for tile in tiles])
    level = power.sum(axis=2)
    loud = (level > 0.003 * np.quantile(level, 0.95, axis=0)) & (width >= 3)
    ratio = (power[:, :, 1:].sum(axis=2) + 1e-15) / (power[:, :, 0] + 1e-15)
    return 10 * np.log10(ratio[loud])


def draw_changes(path: Path) -> None:
    """Draw what changes in a zoomed photo and in a recording, before and after alignment."""
    kinds = {"photo-zoom": "photo, slowly zoomed", "movers": "tripod, people", "walk": "walking"}
    figure, axes = plt.subplots(3, 3, figsize=(11, 6.4), dpi=110)
    columns = ("frame", "blocks that change in 2 s", "... that no motion of the whole explains")
    for row, (kind, title) in zip(axes, kinds.items(), strict=True):
        film = make_video(kind, keyed_generator("docs", kind), 10.0).film
        first, last = _small(film(1.0)), _small(film(3.0))
        aligned = align(first, last)
        changed = changed_blocks(first, last, 2.5, 0.25)
        rest = changed_blocks(aligned.image, last, 2.5, 0.25)
        rest *= aligned.known.reshape(HEIGHT // 4, 4, WIDTH // 4, 4).all(axis=(1, 3))
        row[0].imshow(last, cmap="gray", vmin=0, vmax=255, aspect="auto")
        for axis, blocks in ((row[1], changed), (row[2], rest)):
            axis.imshow(blocks, cmap="magma", vmin=0, vmax=1, aspect="auto")
            axis.set_xlabel(f"{blocks.mean():.1%}", fontsize=9, color=INK)
        row[0].set_ylabel(title, fontsize=10, color=INK)
        for axis in row:
            axis.set_xticks([])
            axis.set_yticks([])
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=10, color=INK, loc="left")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _small(image: NDArray[np.float32]) -> NDArray[np.float32]:
    factors = (HEIGHT / image.shape[0], WIDTH / image.shape[1])
    return np.asarray(zoom(image, factors, order=1), dtype=np.float32)


def draw_report(path: Path) -> None:
    """Take a picture of the report of made recordings, with Chromium."""
    seconds = 20.0
    kinds = (("ambix", "movers"), ("voice-over", "photo-zoom"), ("quad", "walk"))
    with tempfile.TemporaryDirectory() as folder:
        footage = Path(folder) / "footage"
        footage.mkdir()
        for audio_kind, video_kind in kinds:
            film = footage / f"{audio_kind} under {video_kind}.mkv"
            rng = keyed_generator("docs", audio_kind, video_kind, 1)
            write_video_example(film, make_video(video_kind, rng, seconds))
            audio = make_audio(audio_kind, rng, seconds, RATE_HZ).audio
            write_wav(film.with_suffix(".wav"), audio, RATE_HZ)
        page = Path(folder) / "report.html"
        arguments = ["inspect", "footage", "--report", page.name]
        code = f"from yt360.cli import cli; cli.main({arguments!r})"
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        browser = ["chromium", "--headless=new", "--no-sandbox", "--hide-scrollbars"]
        size = ["--window-size=1200,1290", "--virtual-time-budget=3000"]
        subprocess.run(
            [*browser, *size, f"--screenshot={path.absolute()}", page.as_uri()], check=True
        )


if __name__ == "__main__":
    main()
