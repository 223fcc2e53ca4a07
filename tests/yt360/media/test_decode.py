import numpy as np
import pytest
import soundfile

from yt360.errors import BadItem
from yt360.media.decode import read_ambix, read_frames, read_panorama
from yt360.media.source import open_source, w_levels_dbfs


@pytest.fixture(scope="module")
def video(media, tmp_path_factory):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 6.0)
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    return media.write(path, fps=25, seconds=6, sound=sound, gop=25)


def test_every_frame_comes_with_its_time(media, video):
    frames = list(read_frames(video))
    assert [media.number_of(frame.image) for frame in frames] == list(range(150))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(150) / 25)
    assert frames[0].image.shape == (48, 96, 3)


@pytest.mark.parametrize("fps", [1, 4, 10, 16, 25, 40])
@pytest.mark.parametrize("start_s", [0.0, 2.5])
def test_at_a_rate_each_instant_shows_its_frame(media, video, fps, start_s):
    frames = list(read_frames(video, fps=fps, start_s=start_s, pixel_format="gray"))
    assert len(frames) >= (6 - start_s - 0.04) * fps
    for n, frame in enumerate(frames):
        assert frame.time_s == pytest.approx(start_s + n / fps)
        assert media.number_of(frame.image) == int(frame.time_s * 25 + 1e-6)


def test_a_stretch_is_half_open(media, video):
    frames = list(read_frames(video, start_s=1.0, end_s=2.0))
    assert [media.number_of(frame.image) for frame in frames] == list(range(25, 50))


def test_images_have_the_size_that_was_asked_for(media, video):
    for frame in read_frames(video, fps=1, width=192, height=24):
        assert frame.image.shape == (24, 192, 3)
        assert media.number_of(frame.image) == round(frame.time_s * 25)


def test_less_effort_shows_older_frames_at_the_same_instants(media, video):
    for effort, age in (("quick", 4), ("keyframes", 25)):
        frames = list(read_frames(video, fps=4, effort=effort, end_s=4.9))
        exact = list(read_frames(video, fps=4, end_s=4.9))
        assert [frame.time_s for frame in frames] == [frame.time_s for frame in exact]
        for frame in frames:
            behind = frame.time_s * 25 - media.number_of(frame.image)
            assert 0 <= behind < age


def test_frames_come_upright(media, tmp_path):
    upright = media.numbered_frame(0b1011_0011)
    for rotation in (90, 180, -90):
        path = media.write(
            tmp_path / f"{rotation}.mp4", seconds=0.2, rotation_deg=rotation,
            pictures=lambda _, turns=-rotation // 90: np.rot90(upright, turns),
        )  # fmt: skip
        frame = next(read_frames(path))
        assert frame.image.shape == (48, 96, 3)
        assert media.number_of(frame.image) == 0b1011_0011
        small = next(read_frames(path, width=48, height=24))
        assert small.image.shape == (24, 48, 3)


def test_a_panorama_is_what_clips_show(media, video):
    source = open_source(video)
    frames = list(read_panorama(source, fps=8, width=192, height=96, start_s=1.0, end_s=3.0))
    assert [frame.time_s for frame in frames] == [1 + n / 8 for n in range(16)]
    for frame in frames:
        assert frame.image.shape == (96, 192, 3)
        assert media.number_of(frame.image) == int(frame.time_s * 25 + 1e-6)


def test_a_panorama_may_be_left_early(video):
    frames = read_panorama(open_source(video), fps=8, width=96, height=48, pixel_format="gray")
    assert next(frames).image.shape == (48, 96)
    frames.close()


def test_ambix_is_read_at_its_rate_and_time(media, video):
    whole, rate = read_ambix(video)
    assert (whole.shape, rate) == ((4, 6 * 24000), 24000)
    part, _ = read_ambix(video, start_s=2.0, duration_s=1.0)
    np.testing.assert_allclose(part, whole[:, 48000:72000], atol=1e-5)


def test_levels_are_those_of_w(media, tmp_path):
    sound = media.plane_waves([(1, 0, 0), (0, 1, 0)], 3.5)
    sound[:, 48000:96000] *= 0.01
    path = media.write(tmp_path / "a.mkv", seconds=4, sound=sound, sound_codec="flac")
    levels = w_levels_dbfs(open_source(path))
    assert len(levels) == 4
    expected = [
        10 * np.log10(np.mean(sound[0, start : start + 48000] ** 2))
        for start in range(0, 168000, 48000)
    ]
    np.testing.assert_allclose(levels, expected, atol=0.1)


@pytest.mark.filterwarnings("error")
def test_a_window_with_samples_that_are_no_sound_has_no_level(media, tmp_path):
    sound = media.plane_waves(list(media.SIX_DIRECTIONS), 4.0)
    sound[2, 60_000] = np.nan
    video = media.write(tmp_path / "a.mp4", seconds=4)
    soundfile.write(tmp_path / "a.wav", sound.T, 48000, subtype="FLOAT")
    levels = w_levels_dbfs(open_source(video, [tmp_path / "a.wav"]))
    assert list(np.isfinite(levels)) == [True, False, True, True]


def test_files_without_picture_or_field_are_refused(media, tmp_path, field):
    sound = media.write(tmp_path / "a.wav", fps=None, sound=field, sound_codec="pcm_s16le")
    with pytest.raises(BadItem, match=r"no-video: a\.wav has no picture"):
        next(read_frames(sound))
    stereo = media.write(tmp_path / "b.wav", fps=None, sound=field[:2], sound_codec="pcm_s16le")
    with pytest.raises(BadItem, match=r"not-spatial: b\.wav"):
        read_ambix(stereo)
