"""A small dataset whose clips say which frame and which sample one has got."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from avsa.data.remote import fetching
from avsa.views.audio_statistics import ensure_statistics
from avsa.views.spectrogram import AudioConfig
from yt360.clip_codec.flac import encode_flac
from yt360.clip_codec.format import ClipFormat
from yt360.shards.builder.options import BuildOptions
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter

FORM = ClipFormat(width=128, height=64)
DURATION_S = 3


def clip_frames(seed: int) -> np.ndarray:
    """Return planes (T, 96, 128) uint8 of yuv420p; the mean luma of frame t is 40 + 3 t."""
    frames = np.empty((DURATION_S * FORM.fps, FORM.height * 3 // 2, FORM.width), np.uint8)
    texture = np.random.default_rng(seed).integers(-12, 13, (4, 8)).repeat(16, 0).repeat(16, 1)
    for t, frame in enumerate(frames):
        frame[: FORM.height] = 40 + 3 * t + texture - round(texture.mean())
        frame[FORM.height :] = 128
    return frames


def clip_sound(seed: int) -> np.ndarray:
    """Return int16 (4, S); sample n of W is n mod 32768, the others are noise."""
    samples = DURATION_S * FORM.sample_rate_hz
    noise = np.random.default_rng(seed).normal(0, 2000, (3, samples)).astype(np.int16)
    return np.concatenate([(np.arange(samples) % 32768).astype(np.int16)[None], noise])


def mp4_bytes(
    frames: np.ndarray, fps: int = FORM.fps, gop: int = FORM.gop, bframes: int = 0
) -> bytes:
    """Encode planes of yuv420p as shards hold them."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"crf": "10", "tune": "fastdecode", "bf": str(bframes), "g": str(gop)}
        options |= {"keyint_min": str(gop), "sc_threshold": "0", "refs": "1", "threads": "1"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = (
            frames.shape[2],
            frames.shape[1] * 2 // 3,
            "yuv420p",
        )
        for planes in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        container.mux(stream.encode(None))
    return file.getvalue()


def clip_members(seed: int, video_id: str, start_s: int) -> dict[str, bytes]:
    """Return the members of a clip as shards hold them."""
    facts = {
        "video_id": video_id,
        "start_s": start_s,
        "duration_s": float(DURATION_S),
        "source": {"file_start_s": 0},
    }
    return {
        "mp4": mp4_bytes(clip_frames(seed)),
        "flac": encode_flac(clip_sound(seed), FORM.sample_rate_hz),
        "json": json.dumps(facts).encode(),
    }


def write_dataset(
    folder: Path, splits: dict[str, list[list[tuple[str, dict[str, bytes]]]]]
) -> Path:
    """Write a dataset of given samples: split -> shards -> (key, members)."""
    infos = {}
    for split, shards in splits.items():
        (folder / split).mkdir(parents=True)
        written = []
        for number, samples in enumerate(shards):
            with ShardWriter(folder / split / shard_name(number)) as writer:
                for key, members in samples:
                    writer.add(key, members)
            written.append(writer.info)
        infos[split] = SplitInfo(clips=sum(info.clips for info in written), shards=tuple(written))
    DatasetInfo(options=BuildOptions(form=FORM).to_json(), splits=infos, complete=True).save(folder)
    rebuild_index(folder)
    return folder


def samples_of(videos: range, clips_per_video: int) -> list[tuple[str, dict[str, bytes]]]:
    """Return the samples of some videos, in order of their keys."""
    return [
        (
            f"video{video:02d}-{start_s:05d}",
            clip_members(100 * video + start_s, f"video{video:02d}", start_s),
        )
        for video in videos
        for start_s in range(0, DURATION_S * clips_per_video, DURATION_S)
    ]


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training videos of two clips in two shards, two test videos of one clip; read only."""
    shards = {
        "train": [samples_of(range(4), 2), samples_of(range(4, 8), 2)],
        "test": [samples_of(range(8, 10), 1)],
    }
    return write_dataset(tmp_path_factory.mktemp("tiny") / "dataset", shards)


@pytest.fixture(scope="session")
def many_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training shards of four videos with one clip each; read only."""
    shards = [samples_of(range(4 * n, 4 * n + 4), 1) for n in range(6)]
    return write_dataset(tmp_path_factory.mktemp("many") / "dataset", {"train": shards, "test": []})


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Return `write_dataset` for a folder of its own."""
    return lambda **splits: write_dataset(tmp_path / "made", {"train": [], "test": []} | splits)


@pytest.fixture(scope="session")
def reordered_mp4() -> bytes:
    """An MP4 with B-frames, as shards never hold them."""
    return mp4_bytes(clip_frames(0), gop=48, bframes=2)


@pytest.fixture(scope="session")
def origin(many_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The six shards with statistics for 16 mel bands; read only."""
    folder = shutil.copytree(many_shards, tmp_path_factory.mktemp("origin") / "set")
    ensure_statistics(folder, AudioConfig(n_mels=16), samples=8)
    return folder


@pytest.fixture
def server(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimpleNamespace]:
    """A web server for a copy of the dataset; it counts requests and can fail on purpose.

    By name of a file: how often it fails next, whether it answers nonsense, and when it answers.
    """
    monkeypatch.setattr(fetching, "RETRIES", replace(fetching.RETRIES, first_delay_s=0.001))
    monkeypatch.setenv("AVSA_CACHE", str(tmp_path / "cache"))
    root = shutil.copytree(origin, tmp_path / "web" / "set").parent
    state = SimpleNamespace(requests=Counter(), failures=Counter(), nonsense=set(), gates={})
    state.folder = root / "set"

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(root))

        def do_GET(self) -> None:
            name = Path(self.path).name
            state.requests[name] += 1
            if gate := state.gates.get(name):
                gate.wait(60)
            if state.failures[name] > 0:
                state.failures[name] -= 1
                self.send_error(503)
            elif name in state.nonsense:
                self.wfile.write(b"garbage\r\n\r\n")
            else:
                super().do_GET()

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/set"
    state.stop = http.server_close
    yield state
    for gate in state.gates.values():
        gate.set()
    http.shutdown()
    http.server_close()
    thread.join()
