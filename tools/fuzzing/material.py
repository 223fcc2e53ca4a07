"""Valid inputs to start from: a tiny dataset, catalog, media files and checkpoints."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from fuzzing.door import Files

WIDTH, HEIGHT, FPS, RATE_HZ = 64, 32, 8, 8000
MEDIA = "kq/kqAZkf5Odyw"  # folder of the first video, in a catalog's media folder
VIDEO_IDS = ("kqAZkf5Odyw", "-b_bBbbbbbb", "Zz9zZz9zZz9")


def written(write: Callable[[Path], object]) -> dict[str, bytes]:
    """Return what a function writes into an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@cache
def mp4() -> bytes:
    """Return a clip's video: one second of H.264 in closed groups."""
    return media("mp4", audio_codec=None)


@cache
def flac() -> bytes:
    """Return a clip's audio: one second of ambiX."""
    import numpy as np

    from yt360.clip_codec.flac import encode_flac

    noise = np.random.default_rng(0).normal(0, 2000, (4, RATE_HZ))
    return encode_flac(noise.astype(np.int16), RATE_HZ)


@cache
def media(
    container: str, audio_codec: str | None = "flac", video_codec: str | None = "libx264"
) -> bytes:
    """Return a second of video and ambisonic audio."""
    import av
    import numpy as np

    file, noise = io.BytesIO(), np.random.default_rng(0)
    with av.open(file, "w", format=container) as out:
        video: Any = out.add_stream(video_codec, rate=FPS) if video_codec else None
        audio: Any = (
            out.add_stream(audio_codec, rate=RATE_HZ, layout="4.0") if audio_codec else None
        )
        if video is not None:
            video.options = {"bf": "0", "g": "4", "threads": "1", "refs": "1"}
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(FPS):
                image = noise.integers(0, 60, (HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(image + np.uint8(8 * number), "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        if audio is not None:
            for first in range(0, RATE_HZ, 1000):
                out.mux(audio.encode(_block(audio.format.name, noise, first)))
            out.mux(audio.encode(None))
    return file.getvalue()


def _block(form: str, noise: Any, first: int) -> Any:
    """Return a thousand samples of four channels in an encoder's sample format."""
    import av
    import numpy as np

    samples = noise.normal(0, 0.1, (4, 1000)).astype(np.float32)
    if form != "fltp":
        samples = (samples * 3000).astype(np.int16).T.reshape(1, -1)
    block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=form, layout="4.0")
    block.sample_rate, block.pts, block.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
    return block


def clip_json(video_id: str, start_s: int = 0) -> dict[str, Any]:
    """Return the facts of a clip."""
    return {
        "video_id": video_id, "start_s": start_s, "duration_s": 1.0, "fps": FPS,
        "width": WIDTH, "height": HEIGHT, "sample_rate_hz": RATE_HZ,
        "source": {"file_start_s": 0, "title": "A walk", "url": "https://example.org/x"},
    }  # fmt: skip


@cache
def dataset() -> Files:
    """Return a dataset of two training clips and a test clip, with labels and statistics."""
    return written(_write_dataset)


def _write_dataset(folder: Path) -> None:
    import numpy as np
    import torch

    from avsa.views.audio_statistics import AudioStatistics, save_statistics
    from avsa.views.spectrogram import AudioConfig
    from yt360.clip_codec.format import ClipFormat
    from yt360.labels.format.label_set import LabelSet
    from yt360.labels.format.maps import encode_labels
    from yt360.shards.builder.options import BuildOptions
    from yt360.shards.format.dataset_info import DatasetInfo, Rejection, SplitInfo
    from yt360.shards.format.index import rebuild_index
    from yt360.shards.format.schema import shard_name
    from yt360.shards.format.writer import ShardWriter

    maps = encode_labels(np.random.default_rng(0).integers(0, 135, (2, 8, 16)).astype(np.uint8))
    splits = {}
    for split, ids in (("train", sorted(VIDEO_IDS[:2])), ("test", list(VIDEO_IDS[2:]))):
        (folder / split).mkdir()
        with (
            ShardWriter(folder / split / shard_name(0)) as clips,
            ShardWriter(folder / split / shard_name(0, "panoptic")) as labels,
        ):
            for video_id in ids:
                facts = json.dumps(clip_json(video_id)).encode()
                members = {"mp4": mp4(), "flac": flac(), "json": facts}
                clips.add(f"{video_id}-00000", members)
                labels.add(f"{video_id}-00000", {"panoptic.npz": maps})
        count = len(ids)
        splits[split] = SplitInfo(
            clips=count, videos=count, duration_s=float(count), shards=(clips.info,)
        )
    form = ClipFormat(width=WIDTH, height=HEIGHT, fps=FPS, gop=4, sample_rate_hz=RATE_HZ)
    lost = Rejection(
        video_id=VIDEO_IDS[0], file_start_s=0, start_s=5, file="a.mp4", reason="silent",
        detail="-80 dBFS", fingerprint="12-34", lost_s=1.0,
    )  # fmt: skip
    options = BuildOptions(form=form).to_json()
    DatasetInfo(options=options, splits=splits, rejected=(lost,), complete=True).save(folder)
    rebuild_index(folder)
    LabelSet(name="panoptic", fps=2.0, height=8, width=16, made_by={"a": 1}).create(folder)
    config = AudioConfig()
    stats = AudioStatistics(torch.zeros(config.n_mels), torch.ones(config.n_mels))
    save_statistics(stats, folder, config, samples=1, seed=0)


@cache
def catalog() -> bytes:
    """Return a catalog with a video in most states, files, clips, verdicts and splits."""
    return written(_write_catalog)["my.catalog"]


def _write_catalog(folder: Path) -> None:
    import sqlite3

    from yt360.catalog import Catalog, Clip, MediaFile, Verdict

    path = folder / "my.catalog"
    with Catalog(path, create=True, clock=lambda: 1000.0) as open_catalog:
        for video_id in VIDEO_IDS:
            open_catalog.videos.add(
                video_id, title="A walk", channel_id="UC" + "a" * 22, duration_s=30
            )
        accepted = VIDEO_IDS[0]
        claim = open_catalog.claims.take("download", "host:1", 300.0)
        if claim is None:
            raise RuntimeError("a new catalog has no work")
        open_catalog.claims.finish(claim, "accepted")
        open_catalog.files.put(accepted, MediaFile(role="video", path=f"{MEDIA}/a.mp4", bytes=1))
        open_catalog.files.put(accepted, MediaFile(role="sound", path=f"{MEDIA}/a.webm", bytes=1))
        open_catalog.clips.replace(
            accepted, Clip(start_s=0), Clip(start_s=10, kept=False, reason="silent")
        )
        open_catalog.verdicts.put(
            accepted, Verdict(kind="still", verdict="pass", numbers={"share": 0.1})
        )
        open_catalog.splits.put([accepted], "test")
    with sqlite3.connect(path) as connection:  # a copy in memory cannot have a write-ahead log
        connection.execute("PRAGMA journal_mode = DELETE")


@cache
def checkpoint() -> dict[str, Any]:
    """Return the content of a checkpoint of a very small model."""
    from avsa.training.checkpoint import FORMAT, VERSION
    from yt360.config import to_mapping

    config, name, encoders, task = _small_model("small")
    return {
        "format": FORMAT,
        "version": VERSION,
        "step": 3,
        "stage": name,
        "config": to_mapping(config),
        "clips": "x",
        "fps": FPS,
        "stats": None,
        "encoders": encoders.state_dict(),
        "task": task.state_dict(),
        "optimizer": None,
    }


@cache
def published() -> dict[str, Any]:
    """Return what a checkpoint of the paper's code holds, of a very small model."""
    _, _, encoders, task = _small_model("avsa-published")
    model = {
        f"module.{name.replace('.', '_model.', 1)}": tensor
        for name, tensor in encoders.state_dict().items()
    }
    criterion = {f"module.losses.0.{name}": each for name, each in task.state_dict().items()}
    return {"model": model, "train_criterion": criterion}


def _small_model(recipe: str) -> tuple[Any, str, Any, Any]:
    from avsa.config.recipe import load_config

    config = load_config(
        recipe, ["encoders.video.base_channels=2", "encoders.audio.base_channels=2"]
    )
    name, stage = list(config.stages.items())[-1]
    encoders = config.encoders.build(config.audio.num_channels)
    return config, name, encoders, stage.task.build(config.encoders.feature_dim)


def saved(content: Any) -> bytes:
    """Return what torch saves."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
