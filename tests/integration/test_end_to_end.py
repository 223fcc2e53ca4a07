"""From a search to features, by the commands alone, on a site that answers like YouTube."""

from __future__ import annotations

import io
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from click.testing import CliRunner
from fake_youtube import FakeYouTube, search_page, send_to, video_renderer
from helpers.paths import FIXTURES
from kill.compare import differences, snapshot

from avsa.cli import cli as avsa
from avsa.training.metrics_log import read_log
from yt360.catalog import Catalog
from yt360.cli import cli as yt360
from yt360.crawl.youtube.client import YoutubeClient
from yt360.labels.format.reader import LabelReader
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

SCENES = ("scene-one-_", "scene-two-_", "scene-three")
SILENT, REMOVED = "silent-one-", "gone-video-"
CLIP_S = 10
TINY = (
    "views.height=16", "views.width=16", "audio.n_mels=16", "audio.hop_length=240",
    "data.num_workers=1", "data.video_duration_s=0.25", "data.window_gap_s=0.5",
    "sampling.draws_per_video=1", "stages.avsa.batch_size=2", "stages.avsa.steps=5",
    "encoders.video={base_channels: 2, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 2, num_stages: 2}",
)  # fmt: skip


@pytest.fixture
def site(monkeypatch):
    """A site on loopback that the commands take for YouTube."""
    server = FakeYouTube()
    monkeypatch.setattr(YoutubeClient, "send", send_to(server.url))
    yield server
    server.close()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(program, *words):
        return CliRunner().invoke(program, [str(word) for word in words], catch_exceptions=False)

    return run


@pytest.fixture
def run_twice(run, tmp_path):
    """Return a function that runs a command line and checks that again it changes nothing."""

    def run_twice(program, *words, again=()):
        done = run(program, *words)
        assert done.exit_code == 0, done.output
        first = snapshot(tmp_path)
        repeated = run(program, *(again or words))
        assert repeated.exit_code == 0, repeated.output
        assert differences(first, snapshot(tmp_path)) == []

    return run_twice


def fill(site, scenes):
    """Put the scenes on the site, one of them again with silence, and a video that is removed."""
    for video_id, video in zip(SCENES, sorted(scenes.glob("*.mp4")), strict=True):
        content = (video.read_bytes(), video.with_suffix(".flac").read_bytes())
        site.add_spatial_video(video_id, content, duration_s=11)
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros((11 * 48000, 4)), 48000, format="FLAC")
    site.add_spatial_video(SILENT, (content[0], silence.getvalue()), duration_s=11)
    site.add_unplayable(REMOVED, "ERROR", "Video unavailable", "This video has been removed")
    results = [video_renderer(each) for each in (*SCENES, SILENT, REMOVED)]
    site.pages["street 360", None] = search_page(results, None, first=True)


def test_from_a_search_to_features(site, run, run_twice, tmp_path):
    size = (
        "--duration-s",
        "11",
        "--size",
        "160x80",
        "--fps",
        "8",
        "--preset",
        "easy",
        "--workers",
        "1",
    )
    run_twice(yt360, "scenes", "scenes", "--videos", len(SCENES), *size)
    fill(site, tmp_path / "scenes")
    ask = ("--interval-s", "0", "--min-duration-s", "1")
    run_twice(yt360, "search", "--out", "my.catalog", "--query", "street 360", *ask)
    loopback = ("--allow-url", f"{site.url}/media/", "--player-client", "visionos")
    run_twice(
        yt360, "download", "my.catalog", *ask, *loopback, "--min-free-gb", "0", "--wait-s", "0"
    )
    run_twice(yt360, "inspect", "my.catalog", "--workers", "1")
    with Catalog(tmp_path / "my.catalog") as catalog:
        states = {each.video_id: each.state for each in catalog.videos.select()}
    accepted = dict.fromkeys(SCENES, "accepted")
    assert states == {**accepted, SILENT: "rejected", REMOVED: "unavailable"}

    run_twice(yt360, "catalog", "split", "my.catalog", "--test-fraction", "0.3", "--by", "video")
    run_twice(
        yt360,
        "build-shards",
        "my.catalog",
        "--out",
        "dataset",
        "--height",
        64,
        "--fps",
        8,
        "--workers",
        1,
    )
    readers = {split: ShardReader(tmp_path / "dataset", split) for split in SPLITS}
    keys = {split: set(reader.keys) for split, reader in readers.items()}
    assert set.union(*keys.values()) == {f"{video_id}-00000" for video_id in SCENES}
    assert all(keys.values())
    assert run(yt360, "check", "dataset").exit_code == 0

    network = (
        "--checkpoint",
        FIXTURES / "panoptic" / "model_random.pkl",
        "--view-size",
        "64",
        "--views",
        "cube-90",
    )
    run_twice(yt360, "pseudolabel", "dataset", *network, "--height", "32", "--fps", "0.2")
    for split in SPLITS:
        labels = LabelReader(tmp_path / "dataset", split)
        assert set(labels.keys) == keys[split]
        assert all(labels.read(key).joint.shape == (CLIP_S // 5, 32, 64) for key in labels.keys)

    settings = [word for each in TINY for word in ("--set", each)]
    run_twice(avsa, "stats", "dataset", "--recipe", "small", *settings, "--samples", "9")
    train = ("train", "--data", "dataset", "--recipe", "small", *settings, "--out", "run")
    run_twice(avsa, *train, again=("train", "--out", "run", "--resume"))
    losses = [record["loss"] for record in read_log(tmp_path / "run") if "loss" in record]
    assert len(losses) == 5 and all(map(math.isfinite, losses))

    embed = ("embed", "dataset", "--checkpoint", "run", "--split", "train", "--out", "f.parquet")
    run_twice(avsa, *embed)
    features = pq.read_table(tmp_path / "f.parquet").to_pydict()
    assert set(features["key"]) == keys["train"]
    assert np.isfinite(features["video"]).all() and np.isfinite(features["audio"]).all()
