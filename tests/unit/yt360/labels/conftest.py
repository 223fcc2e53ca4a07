"""Painted spheres, and a segmenter that reads classes off the paint: pure test material."""

import io
import json
import os
import pickle
from functools import cache
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from helpers.paths import FIXTURES
from helpers.segmenters import CAR, GRASS, PERSON, SKY, PaintSegmenter

from yt360.ambisonics.transforms import encode
from yt360.clip_codec.flac import encode_flac
from yt360.labels.classes import palette
from yt360.shards.format.dataset_info import DatasetInfo, SplitInfo
from yt360.shards.format.index import rebuild_index
from yt360.shards.format.schema import shard_name
from yt360.shards.format.writer import ShardWriter
from yt360.sphere import angle_between, direction, equirect_grid


def painted(height=160, objects=()):
    """Sky above grass, with round objects (azimuth_deg, elevation_deg, radius_deg, class).

    Returns the picture (1, H, 2H, 3) uint8 and its classes (H, 2H) uint8.
    """
    grid = equirect_grid(height, 2 * height)
    classes = torch.where(grid[..., 2] > 0, SKY, GRASS)
    for azimuth, elevation, radius, label in objects:
        centre = direction(torch.tensor(azimuth).deg2rad(), torch.tensor(elevation).deg2rad())
        classes[angle_between(grid, centre) < torch.tensor(radius).deg2rad()] = label
    classes = classes.to(torch.uint8)
    return torch.from_numpy(palette())[classes.long()][None], classes


def away_from_borders(classes, pixels=2):
    """Mask (H, W) of pixels that have only their own class within `pixels` around them."""
    wide = classes.float()[None, None]
    wide = torch.cat([wide[..., -pixels:], wide, wide[..., :pixels]], -1)
    wide = torch.nn.functional.pad(wide, (0, 0, pixels, pixels), mode="replicate")
    size = 2 * pixels + 1
    top = torch.nn.functional.max_pool2d(wide, size, 1)
    low = -torch.nn.functional.max_pool2d(-wide, size, 1)
    return (top == low)[0, 0]


@pytest.fixture(scope="session")
def paint():
    """Painted spheres, the segmenter that reads them, and a mask of what is unmistakable."""
    return SimpleNamespace(
        Segmenter=PaintSegmenter, sphere=painted, away_from_borders=away_from_borders
    )


CLIP_FPS = 8
SOURCE_DEG = 50.0, 30.0  # azimuth and elevation of the audio of every clip


def encoded(frames):
    """Encode frames (T, H, W, 3) uint8 as H.264 in MP4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=CLIP_FPS, options={"crf": "10", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv444p"
        for frame in frames.numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


@cache
def plane_wave():
    """Return the audio of a clip: one second of noise from one direction."""
    azimuth, elevation = torch.tensor(SOURCE_DEG).deg2rad()
    noise = 3000 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    return encode_flac(encode(noise, direction(azimuth, elevation)).short().numpy(), 8000)


def write_dataset(folder, shards, test_shards=()):
    """Write a dataset; a shard is a list of (key, mp4 bytes) of clips of one second."""
    splits = {}
    for split, contents in (("train", shards), ("test", test_shards)):
        (folder / split).mkdir(parents=True)
        infos = []
        for number, clips in enumerate(contents):
            with ShardWriter(folder / split / shard_name(number)) as writer:
                for key, mp4 in clips:
                    video_id, start = key.rsplit("-", 1)
                    facts = {
                        "video_id": video_id,
                        "start_s": int(start),
                        "duration_s": 1.0,
                        "source": {"file_start_s": 0},
                    }
                    members = {"mp4": mp4, "flac": plane_wave(), "json": json.dumps(facts).encode()}
                    writer.add(key, members)
            infos.append(writer.info)
        count = sum(info.clips for info in infos)
        splits[split] = SplitInfo(
            clips=count, videos=count, duration_s=float(count), shards=tuple(infos)
        )
    DatasetInfo(options={}, splits=splits, complete=True).save(folder)
    rebuild_index(folder)
    return folder


@pytest.fixture(scope="session")
def clips():
    """Six small clips: key -> (mp4, true classes (4, 32, 64) at 4 maps a second)."""
    made = {}
    for number in range(6):
        frames, truth = zip(
            *(
                painted(32, [(60.0 * number + 10 * t, 10.0, 30.0, PERSON if number % 2 else CAR)])
                for t in range(CLIP_FPS)
            ),
            strict=True,
        )
        made[f"-video_id_{number}-0000{number}"] = (
            encoded(torch.cat(frames)),
            torch.stack(truth[::2]),
        )
    return made


@pytest.fixture
def dataset(tmp_path, clips):
    """Two shards of two clips that train, one of two that test."""
    content = [(key, mp4) for key, (mp4, _) in clips.items()]
    return write_dataset(tmp_path / "dataset", [content[:2], content[2:4]], [content[4:]])


@pytest.fixture
def person_dataset(tmp_path):
    """One clip: a person in the direction of its audio."""
    frame, _ = painted(32, [(*SOURCE_DEG, 30.0, PERSON)])
    mp4 = encoded(frame.expand(CLIP_FPS, -1, -1, -1))
    return write_dataset(tmp_path / "person", [[("-video_id_0-00000", mp4)]])


@pytest.fixture
def broken_dataset(tmp_path, clips):
    """One shard of four clips, of which the second does not decode and the third is cut short."""
    content = [(key, mp4) for key, (mp4, _) in clips.items()][:4]
    content[1] = (content[1][0], b"no video")
    content[2] = (content[2][0], encoded(torch.zeros(3, 32, 64, 3, dtype=torch.uint8)))
    return write_dataset(tmp_path / "broken", [content])


@pytest.fixture
def random_maps():
    """Make maps (T, H, W) of joint class numbers."""

    def make(seed=0, shape=(4, 8, 16)):
        return np.random.default_rng(seed).integers(0, 135, shape).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def panoptic_fixture():
    """Folder of the narrow network, its picture, and detectron2's answers on it."""
    return FIXTURES / "panoptic"


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, harm):
        self.harm = harm

    def __reduce__(self):
        return os.mkdir, (str(self.harm),)


BAD_CHECKPOINTS = {
    "absent": "there is no checkpoint",
    "no pickle": "cannot be read as a pickle|damaged pickle",
    "cut short": "cannot be read as a pickle|damaged pickle",
    "of code": r"wants to run \w+\.mkdir",
    "without a parameter": "1 missing: sem_seg_head.predictor.bias",
    "with one too many": "1 unexpected: mask_tower.weight",
    "of another shape": r"1 of another shape: .*cls_score.bias \(21,\) instead of \(81,\)",
}


@pytest.fixture(params=BAD_CHECKPOINTS)
def bad_checkpoint(request, tmp_path, panoptic_fixture):
    """A checkpoint that must be refused, and what the refusal says."""
    path, kind = tmp_path / "weights.pkl", request.param
    whole = (panoptic_fixture / "model_random.pkl").read_bytes()
    content = pickle.loads(whole)
    if kind == "no pickle":
        path.write_bytes(b"<html>404</html>")
    elif kind == "cut short":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "of code":
        content["model"]["sem_seg_head.predictor.bias"] = Attack(tmp_path / "harm")
    elif kind == "without a parameter":
        del content["model"]["sem_seg_head.predictor.bias"]
    elif kind == "with one too many":
        content["model"]["mask_tower.weight"] = np.zeros(2, dtype=np.float32)
    elif kind == "of another shape":
        content["model"]["roi_heads.box_predictor.cls_score.bias"] = np.zeros(21, dtype=np.float32)
    if kind not in ("absent", "no pickle", "cut short"):
        path.write_bytes(pickle.dumps(content, protocol=2))
    yield path, BAD_CHECKPOINTS[kind]
    assert not (tmp_path / "harm").exists()
