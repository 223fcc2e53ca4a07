"""The fingerprint of a recording, and the file of those of one media file or shard."""

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
from yt360.files import atomic_write
from yt360.untrusted.arrays import read_npz
from yt360.untrusted.parsing import Count, Seconds, parse_json

MAX_FILE_BYTES = 1 << 30
# Name -> type and shape of an element.
_ARRAYS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "grids": (np.uint8, (picture.NUM_ROWS, picture.WIDTH)),
    "features": (np.int8, (audio.FEATURES,)),
    "picture_words": (np.uint32, (picture.WORDS,)),
    "picture_at": (np.int32, ()),
    "audio_words": (np.uint32, (audio.WORDS,)),
    "audio_at": (np.int32, ()),
}
_WORDS = ("picture_words", "picture_at", "audio_words", "audio_at")


@dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """What a recording is: consecutive seconds of a video.

    Attributes:
        video_id: The video.
        start_s: Second of the video at which it starts.
        lengths: Number of elements of each array of the fingerprint.
    """

    video_id: Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
    start_s: Seconds
    lengths: dict[str, Count]


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a recording.

    Attributes:
        facts: What the recording is.
        arrays: ``grids`` and ``features`` (`yt360.duplicates.picture` and `audio`), by which
            recordings are compared; ``picture_words`` and ``audio_words``, by which they are found,
            with the numbers of the frame and of the feature at which each row of words starts.
    """

    facts: RecordingFacts
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def of(
        cls, video_id: str, start_s: float, grids: picture.Grids, features: audio.Features
    ) -> Fingerprint:
        """Return the fingerprint of a recording with these frames and audio features."""
        picture_words, picture_at = picture.picture_words(grids)
        audio_words, audio_at = audio.audio_words(features)
        values: list[NDArray[Any]] = [
            grids, features, picture_words, picture_at, audio_words, audio_at,
        ]  # fmt: skip
        arrays = dict(zip(_ARRAYS, values, strict=True))
        lengths = {name: len(array) for name, array in arrays.items()}
        return cls(RecordingFacts(video_id=video_id, start_s=start_s, lengths=lengths), arrays)


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A part of the input without a fingerprint, and the reason."""

    name: str
    reason: str
    detail: str


@dataclass(frozen=True)
class FingerprintFile:
    """The fingerprints of the recordings in one media file or shard.

    Attributes:
        recordings: Their fingerprints.
        skipped: What has none.
    """

    recordings: tuple[Fingerprint, ...]
    skipped: tuple[Skipped, ...] = ()

    def save(self, path: Path) -> None:
        """Write the file atomically.

        Frames are stored as differences from the frame before, which compress well where a camera
        stands still.
        """
        facts = {
            "recordings": [asdict(each.facts) for each in self.recordings],
            "skipped": [asdict(each) for each in self.skipped],
        }
        stored: dict[str, Any] = {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}
        for name, (dtype, shape) in _ARRAYS.items():
            parts = [each.arrays[name] for each in self.recordings]
            if name == "grids":
                parts = [np.diff(part, axis=0, prepend=part[:1] * 0) for part in parts]
            stored[name] = np.concatenate([np.zeros((0, *shape), dtype), *parts])
        content = io.BytesIO()
        np.savez_compressed(content, **stored)
        with atomic_write(path) as file:
            file.write(content.getbuffer())

    @classmethod
    def load(cls, path: Path, words_only: bool = False) -> FingerprintFile:
        """Read a file.

        Args:
            path: The file.
            words_only: Read only the arrays of words.

        Raises:
            ValueError: It is damaged.
            OSError: It cannot be read.
        """
        names = _WORDS if words_only else tuple(_ARRAYS)
        stored = read_npz(path, ("facts", *names), MAX_FILE_BYTES)
        facts = parse_json(stored["facts"].astype(np.uint8).tobytes(), _Facts)
        arrays: list[dict[str, NDArray[Any]]] = [{} for _ in facts.recordings]
        for name in names:
            dtype, shape = _ARRAYS[name]
            array, lengths = stored[name], [each.lengths.get(name, 0) for each in facts.recordings]
            if array.dtype != dtype or array.shape != (sum(lengths), *shape):
                raise ValueError(f"{path}: {name} is {array.dtype} {array.shape}")
            for values, part in zip(
                arrays, np.split(array, np.cumsum(lengths)[:-1].astype(int)), strict=False
            ):
                values[name] = np.cumsum(part, axis=0, dtype=np.uint8) if name == "grids" else part
        recordings = map(Fingerprint, facts.recordings, arrays)
        return cls(tuple(recordings), tuple(facts.skipped))


@dataclass(frozen=True, kw_only=True)
class _Facts:
    recordings: Sequence[RecordingFacts]
    skipped: Sequence[Skipped]
