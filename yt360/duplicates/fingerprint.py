"""Fingerprints of recordings, and the file that stores those of one media file or shard."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from yt360.clips import MAX_ID_LENGTH
from yt360.duplicates import audio, picture
from yt360.duplicates.index import WORDS, Words
from yt360.files import atomic_write
from yt360.untrusted.arrays import read_npz
from yt360.untrusted.parsing import Count, Seconds, parse_json

MAX_FILE_BYTES = 1 << 30
_WORDS = ("picture_words", "picture_at", "audio_words", "audio_at")


@dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """What a recording is: consecutive seconds of a video.

    Attributes:
        video_id: The video.
        start_s: Second of the video at which it starts.
        picture_words: Number of its rows of words of the picture.
        audio_words: Number of its rows of words of the audio.
    """

    video_id: Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
    start_s: Seconds
    picture_words: Count = 0
    audio_words: Count = 0


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a recording.

    Attributes:
        facts: What the recording is.
        grids: Luma (T, 22, 64) uint8 (`yt360.duplicates.picture`).
        features: Features of the audio (S, 8) int8 (`yt360.duplicates.audio`).
    """

    facts: RecordingFacts
    grids: picture.Grids
    features: audio.Features


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A part of the input without a fingerprint, and the reason."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True)
class WordsOfFile:
    """The words of the recordings in a file, in their order.

    Attributes:
        recordings: The recordings.
        skipped: What has no fingerprint.
        picture_words: Words (N, 8) of the picture.
        picture_at: Frame (N,) at which each row of words starts.
        audio_words: Words (M, 8) of the audio.
        audio_at: Feature (M,) at which each row of words starts.
    """

    recordings: tuple[RecordingFacts, ...]
    skipped: tuple[Skipped, ...]
    picture_words: Words
    picture_at: NDArray[np.int32]
    audio_words: Words
    audio_at: NDArray[np.int32]


def save_fingerprints(
    path: Path, recordings: Sequence[Fingerprint], skipped: Sequence[Skipped] = ()
) -> None:
    """Write the fingerprints of the recordings in a media file or shard, and their words.

    Frames are stored as differences from the frame before, which compress well where a camera
    stands still.

    Raises:
        OSError: The file cannot be written.
    """
    facts, stored = [], {}
    words: dict[str, list[NDArray[Any]]] = {
        "picture_words": [np.zeros((0, WORDS), np.uint32)],
        "picture_at": [np.zeros(0, np.int32)],
        "audio_words": [np.zeros((0, WORDS), np.uint32)],
        "audio_at": [np.zeros(0, np.int32)],
    }
    for number, each in enumerate(recordings):
        found = *picture.picture_words(each.grids), *audio.audio_words(each.features)
        for name, array in zip(_WORDS, found, strict=True):
            words[name].append(array)
        lengths = {"picture_words": len(found[0]), "audio_words": len(found[2])}
        facts.append({**asdict(each.facts), **lengths})
        stored[f"grids-{number}"] = np.diff(each.grids, axis=0, prepend=each.grids[:1] * 0)
        stored[f"features-{number}"] = each.features
    text = json.dumps({"recordings": facts, "skipped": [asdict(each) for each in skipped]})
    stored["facts"] = np.frombuffer(text.encode(), np.uint8)
    stored |= {name: np.concatenate(arrays) for name, arrays in words.items()}
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **stored)
    with atomic_write(path) as file:
        file.write(content.getbuffer())


def load_words(path: Path) -> WordsOfFile:
    """Read the words of a file.

    Raises:
        ValueError: It is damaged.
        OSError: It cannot be read.
    """
    stored = read_npz(path, ("facts", *_WORDS), MAX_FILE_BYTES)
    facts = _facts(stored)
    pictures = sum(each.picture_words for each in facts.recordings)
    sounds = sum(each.audio_words for each in facts.recordings)
    _require(path, stored["picture_words"], np.uint32, (pictures, WORDS))
    _require(path, stored["picture_at"], np.int32, (pictures,))
    _require(path, stored["audio_words"], np.uint32, (sounds, WORDS))
    _require(path, stored["audio_at"], np.int32, (sounds,))
    arrays = [stored[name] for name in _WORDS]
    return WordsOfFile(tuple(facts.recordings), tuple(facts.skipped), *arrays)


def load_fingerprint(path: Path, number: int) -> Fingerprint:
    """Read the fingerprint of one recording of a file.

    Raises:
        ValueError: It is damaged.
        OSError: It cannot be read.
    """
    grids, features = f"grids-{number}", f"features-{number}"
    stored = read_npz(path, ("facts", grids, features), MAX_FILE_BYTES)
    shape = picture.NUM_ROWS, picture.WIDTH
    _require(path, stored[grids], np.uint8, (len(stored[grids]), *shape))
    _require(path, stored[features], np.int8, (len(stored[features]), audio.FEATURES))
    frames = np.cumsum(stored[grids], axis=0, dtype=np.uint8)
    return Fingerprint(_facts(stored).recordings[number], frames, stored[features])


@dataclass(frozen=True, kw_only=True)
class _Facts:
    recordings: Sequence[RecordingFacts]
    skipped: Sequence[Skipped]


def _facts(stored: dict[str, NDArray[Any]]) -> _Facts:
    return parse_json(stored["facts"].astype(np.uint8).tobytes(), _Facts)


def _require(path: Path, array: NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{path} holds {array.dtype} {array.shape} instead of {dtype} {shape}")
