"""Labels on real pictures: views show what is known to be where, and clips are labelled."""

import pytest
import torch
from helpers.conversion import convert_clip
from helpers.paths import FIXTURES
from helpers.segmenters import make_segmenter

from yt360.clip_codec.format import ClipFormat
from yt360.labels.frames import clip_frames
from yt360.labels.image_files import read_image
from yt360.labels.segmenters.batches import Batches
from yt360.labels.sphere.fusion import render_views
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import VIEW_SETS
from yt360.media.convert import ClipRequest
from yt360.media.source import open_source

pytestmark = [pytest.mark.real, pytest.mark.slow]
CHECKPOINT = FIXTURES / "panoptic" / "model_random.pkl"


def test_views_of_the_test_room_show_its_landmarks(real_data):
    """Blue in front, dark red left, dark blue behind, red right; green above and below."""
    room = torch.from_numpy(read_image(real_data / "panorama" / "test-room-mono.jpg"))
    views = VIEW_SETS["cube-90"]
    pictures = render_views(room, views.directions(64))[0].float()
    middle = {
        angles: picture[28:36, 28:36].mean((0, 1)).tolist()
        for angles, picture in zip(views.centers_deg, pictures, strict=True)
    }
    assert middle[0.0, 0.0] == pytest.approx([0, 0, 254], abs=4)
    assert middle[90.0, 0.0] == pytest.approx([136, 0, 0], abs=4)
    assert middle[180.0, 0.0] == pytest.approx([0, 0, 136], abs=4)
    assert middle[270.0, 0.0] == pytest.approx([254, 0, 0], abs=4)
    assert middle[0.0, 90.0] == pytest.approx([0, 255, 0], abs=4)
    assert middle[0.0, -90.0] == pytest.approx([0, 136, 0], abs=4)


@pytest.mark.parametrize("name", ["kqAZkf5Odyw-80.mp4", "calibration.mp4"])
def test_real_clips_are_labelled(real_data, name, tmp_path):
    clip = ClipRequest(0.0, 2.0, tmp_path / "clip.mp4", tmp_path / "clip.flac")
    video = real_data / "real-clips" / name
    companions = [path for path in (video.with_suffix(".m4a"),) if path.exists()]
    convert_clip(open_source(video, companions), clip, ClipFormat())
    frames = torch.from_numpy(clip_frames(clip.mp4.read_bytes(), 4, 2.0))
    assert frames.shape == (8, 320, 640, 3)
    segmenter = make_segmenter(checkpoint=CHECKPOINT, short_side=64)
    labeller = PanoramaLabeller(Batches(segmenter, 8), "cube-90", 64, 64)
    (found,) = labeller.segment(frames[:1], ["x-00000"], [0.0], instances=True)
    assert found.classes.shape == (64, 128)
    assert len(torch.unique(found.classes)) > 3
    assert (found.instances > 0).any()
