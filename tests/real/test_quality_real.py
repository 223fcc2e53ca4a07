"""Every real recording gets the answer that is known of it."""

from pathlib import Path

import numpy as np
import pytest
from helpers.quality_checks import make_check
from quality.videos import HEIGHT, WIDTH, VideoExample
from quality.writing import write_video_example

from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.quality.decision import decide
from yt360.quality.inspect import InspectOptions, inspect_file
from yt360.quality.verdict import Outcome

pytestmark = [pytest.mark.real, pytest.mark.slow]


def reasons(path: Path) -> dict[str, str]:
    return {name: verdict.reason for name, verdict in inspect_file(path).verdicts.items()}


def test_the_band_in_the_hall_is_good_with_its_spatial_sound(real_data: Path) -> None:
    assert reasons(real_data / "real-clips" / "kqAZkf5Odyw-80.mp4") == {
        "spatial-audio": "w-high",
        "field-gain": "w-high",
        "silence": "sounding",
        "post-production": "recorded",
        "clipping": "intact",
        "projection": "equirectangular",
        "still-image": "moving",
        "picture": "moving",
        "duration": "equal",
        "av-agreement": "agrees",
    }


def test_the_calibration_clip_is_a_drawing_with_valid_sound_though_x_is_silent(
    real_data: Path,
) -> None:
    verdicts = inspect_file(real_data / "real-clips" / "calibration.mp4").verdicts
    assert verdicts["spatial-audio"].outcome is Outcome.OK
    assert verdicts["spatial-audio"].numbers["level_x_db"] < -60
    assert verdicts["spatial-audio"].numbers["ratio"] == pytest.approx(1, abs=0.05)
    assert verdicts["still-image"].reason == "photo"


def test_fuma_speech_has_ratio_two_and_passes_once_converted(real_data: Path) -> None:
    path = real_data / "foa" / "fuma-speech.mp4"
    found = inspect_file(path).verdicts["spatial-audio"]
    assert found.reason == "fuma-order"
    assert found.numbers["ratio"] == pytest.approx(2, abs=0.2)
    stated = inspect_file(path, options=InspectOptions(audio_layout="fuma"))
    assert stated.verdicts["spatial-audio"].outcome is Outcome.OK


def test_the_beach_has_the_order_of_fuma_because_its_last_channel_is_silent(
    real_data: Path,
) -> None:
    inspection = inspect_file(real_data / "foa" / "beach.mp4")
    verdict = inspection.verdicts["spatial-audio"]
    assert verdict.reason == "fuma-order"
    assert verdict.numbers["w_gain_db"] == pytest.approx(0, abs=0.2)
    assert decide(inspection).outcome is not Outcome.NOT_OK


def test_a_small_ball_that_flies_around_is_motion(real_data: Path) -> None:
    check = make_check("still-image")
    for frames in read_frame_triplets(real_data / "panorama" / "test-room-mono.mp4"):
        check.add_frames(frames)
    assert check.verdict({}).outcome is Outcome.OK


@pytest.mark.parametrize("kind", ["as it is", "faded and zoomed"])
def test_a_real_photo_made_into_a_video_is_still(
    real_data: Path, tmp_path: Path, kind: str
) -> None:
    import av
    from scipy.ndimage import map_coordinates

    with av.open(str(real_data / "real-clips" / "kqAZkf5Odyw-80.mp4")) as container:
        frame = next(container.decode(video=0))
        gray = frame.reformat(WIDTH, HEIGHT, "gray").to_ndarray()
    photo = gray.astype(np.float32)

    def film(time_s: float) -> np.ndarray:
        if kind == "as it is":
            return photo
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        scale = 1 + 0.02 * time_s
        at = [(rows - 120) / scale + 120, (columns - 240) / scale + 240]
        zoomed = map_coordinates(photo, at, order=1, mode="nearest")
        return np.asarray(zoomed * min(1.0, time_s / 2), dtype=np.float32)

    path = tmp_path / "photo.mkv"
    write_video_example(path, VideoExample(kind, film, 12.0, True, None), crf=26)
    check = make_check("still-image")
    for frames in read_frame_triplets(path):
        check.add_frames(frames)
    assert check.verdict({}).outcome is Outcome.NOT_OK
