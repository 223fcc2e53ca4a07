"""Made recordings that several tests inspect; nobody writes beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from quality.audio import make_audio
from quality.videos import make_video
from quality.writing import write_video_example, write_wav

from yt360.randomness import keyed_generator

RATE_HZ = 16_000
SECONDS = 11.0


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.mkv (moving) and photo.mkv (still) with ambiX beside them, and FuMa in fuma.wav."""
    folder = tmp_path_factory.mktemp("recordings")
    sound = make_audio("ambix", keyed_generator(2, "sound"), SECONDS, RATE_HZ).audio
    for name, kind in (("good", "movers"), ("photo", "photo")):
        video = make_video(kind, keyed_generator(2, kind), SECONDS)
        write_video_example(folder / f"{name}.mkv", video, frame_rate=5)
        write_wav(folder / f"{name}.wav", sound, RATE_HZ)
    fuma = make_audio("fuma", keyed_generator(1, "fuma"), 4.0, RATE_HZ).audio
    write_wav(folder / "fuma.wav", fuma, RATE_HZ)
    return folder
