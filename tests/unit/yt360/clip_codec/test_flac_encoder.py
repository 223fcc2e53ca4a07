import io

import av
import numpy as np
import pytest
import soundfile

from yt360.clip_codec.flac import BLOCK_SAMPLES, encode_flac


def samples(channels: int, count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    smooth = np.cumsum(generator.integers(-300, 301, (channels, count)), axis=1)
    return np.clip(smooth, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [1, 2, BLOCK_SAMPLES, BLOCK_SAMPLES + 1, 5000])
def test_two_decoders_give_the_samples_back(channels, count):
    stored = samples(channels, count)
    content = encode_flac(stored, 24000)
    decoded, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    assert rate == 24000
    np.testing.assert_array_equal(decoded.T, stored)
    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_ndarray().reshape(-1, channels).T for frame in container.decode(audio=0)]
    np.testing.assert_array_equal(np.concatenate(frames, axis=1), stored)


def test_full_scale_and_silence_survive():
    stored = np.array([[-32768, 32767] * 600, [0] * 1200], np.int16)
    decoded, _ = soundfile.read(io.BytesIO(encode_flac(stored, 24000)), dtype="int16")
    np.testing.assert_array_equal(decoded.T, stored)


def test_it_can_be_entered_at_any_sample():
    stored = samples(4, 60_000)
    file = soundfile.SoundFile(io.BytesIO(encode_flac(stored, 24000)))
    for start in (0, 1, 1023, 1024, 6143, 6144, 33_333, 59_999):
        file.seek(start)
        part = file.read(100, dtype="int16", always_2d=True)
        np.testing.assert_array_equal(part.T, stored[:, start : start + 100])


@pytest.mark.parametrize(
    ("blocks", "expected"), [(1, 1), (20, 20), (512, 512), (513, 257), (1100, 367)]
)
def test_every_seek_point_is_the_start_of_the_block_it_names(blocks, expected):
    content = encode_flac(samples(2, blocks * BLOCK_SAMPLES - 480), 24000)
    size = int.from_bytes(content[43:46], "big")
    table, first_block = content[46 : 46 + size], 46 + size
    assert content[42] == 0x83
    points = [table[i : i + 18] for i in range(0, size, 18)]
    assert len(points) == expected
    for point in points:
        sample = int.from_bytes(point[:8], "big")
        offset = first_block + int.from_bytes(point[8:16], "big")
        # A frame begins with 14 bits of ones and a zero; its number follows at byte 4, in UTF-8.
        assert content[offset] == 0xFF
        assert content[offset + 1] & 0xFE == 0xF8
        number = chr(sample // BLOCK_SAMPLES).encode()
        assert content[offset + 4 :].startswith(number)


def test_the_same_sound_gives_the_same_bytes():
    assert encode_flac(samples(4, 9000), 24000) == encode_flac(samples(4, 9000), 24000)


def test_what_flac_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="9 channels of 10"):
        encode_flac(samples(9, 10), 24000)
    with pytest.raises(ValueError, match="channels of 0"):
        encode_flac(np.zeros((4, 0), np.int16), 24000)
