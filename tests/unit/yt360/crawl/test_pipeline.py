"""The whole way on loopback: lists, download, inspection, splits, shards, statistics."""

from __future__ import annotations

import io
import json

import av
import numpy as np
import pytest
import soundfile

from yt360.catalog import Catalog
from yt360.cli import cli
from yt360.commands.run import run
from yt360.crawl.youtube.client import YoutubeClient
from yt360.shards.format.reader import ShardReader

IDS = ("-scene_one_", "scene_two__", "scene_three")
SCENES = ("--duration-s", "13", "--size", "320x160", "--preset", "easy", "--seed", "3")


@pytest.fixture
def yt360(monkeypatch, send_to_loopback, capsys):
    monkeypatch.setattr(YoutubeClient, "send", send_to_loopback)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            run(cli, [str(argument) for argument in arguments])
        output = "".join(capsys.readouterr())
        assert not end.value.code, output
        return output

    return call


@pytest.fixture
def options(youtube):
    allowed = ("--allow-url", youtube.url + "/media/", "--player-client", "visionos")
    return (*allowed, "--interval-s", "0", "--min-free-gb", "0")


@pytest.mark.slow
def test_from_ids_to_a_dataset(yt360, ready_video, options, tmp_path):
    yt360("scenes", tmp_path / "scenes", "--videos", len(IDS), *SCENES)
    pictures = sorted((tmp_path / "scenes").glob("*.mp4"))
    for video_id, picture in zip(IDS, pictures, strict=True):
        sound = next(p for p in picture.parent.glob(f"{picture.stem}.*") if p.suffix == ".flac")
        content = (picture.read_bytes(), sound.read_bytes())
        ready_video(video_id, content=content, duration_s=13, title=f"scene {video_id}")
    (tmp_path / "ids.txt").write_text("\n".join([*IDS, "not_there__"]))
    catalog, dataset = tmp_path / "my.catalog", tmp_path / "dataset"
    yt360("import", "--ids", tmp_path / "ids.txt", catalog)
    output = yt360("download", catalog, *options, "--wait-s", "0")
    assert "3  downloaded" in output and "1  removed" in output, output
    output = yt360("inspect", catalog)
    with Catalog(catalog) as opened:
        states = {video.video_id: video.state for video in opened.videos.select()}
        for video_id in IDS:
            assert states[video_id] == "accepted", (output, opened.verdicts.of(video_id))
    yt360("catalog", "split", catalog, "--test-fraction", "0.5", "--by", "video")
    yt360("build-shards", catalog, "--out", dataset, "--height", "64", "--workers", "1")
    yt360("check", dataset)
    stats = json.loads(yt360("stats", dataset, "--json"))
    assert stats["rows"]["total"] == {"videos": 3, "clips": 3, "hours": pytest.approx(30 / 3600)}
    with Catalog(catalog) as opened:
        by_split = {name: len(opened.splits.members(name)) for name in ("train", "test")}
    assert {name: stats["rows"][name]["videos"] for name in by_split} == by_split


@pytest.mark.slow
def test_a_section_of_a_video_gives_the_same_clip_as_the_whole(
    yt360, ready_video, options, tmp_path
):
    scene = (*SCENES[2:], "--videos", "1", "--duration-s", "40")
    yt360("scenes", tmp_path / "scenes", *scene)
    (picture,) = (tmp_path / "scenes").glob("*.mp4")
    content = (picture.read_bytes(), picture.with_suffix(".flac").read_bytes())
    ready_video(IDS[0], content=content, duration_s=40)
    (tmp_path / "segments.txt").write_text(f"{IDS[0]} 21")
    clips = {}
    for sections in ("auto", "never"):
        catalog, dataset = tmp_path / f"{sections}.catalog", tmp_path / sections
        yt360("import", "--segments", tmp_path / "segments.txt", catalog)
        yt360("download", catalog, *options, "--sections", sections)
        story = yt360("inspect", catalog) + yt360("catalog", "show", catalog, "--", IDS[0])
        assert "1  accepted" in story, story
        yt360("build-shards", catalog, "--out", dataset, "--height", "64", "--test-fraction", "0")
        reader = ShardReader(dataset, "train")
        assert reader.keys == [f"{IDS[0]}-00021"]
        sound, _ = soundfile.read(io.BytesIO(bytes(reader.read(0, "flac"))))
        with av.open(io.BytesIO(bytes(reader.read(0, "mp4")))) as container:
            frames = [f.to_ndarray(format="gray").astype(float) for f in container.decode(video=0)]
        clips[sections] = sound, np.array(frames)
    (sound, frames), (whole_sound, whole_frames) = clips["auto"], clips["never"]
    assert sound.shape == whole_sound.shape and frames.shape == whole_frames.shape
    assert np.abs(sound - whole_sound).max() < 1e-3
    assert np.abs(frames - whole_frames).mean() < 1.0
