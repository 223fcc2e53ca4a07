"""Check by their audio that clips were cut from given scenes."""

from __future__ import annotations

import numpy as np

from yt360.clip_codec.decoder import decode_audio
from yt360.clip_codec.flac import read_flac_index
from yt360.clips import parse_key
from yt360.errors import BadItem, UserError
from yt360.scenes.collection import SceneCollection
from yt360.shards.format.reader import ShardReader

MIN_CORRELATION = 0.9
"""The correlation is 1 for the same scene, and about 0 for scenes of different parameters."""


def require_scenes_of(clips: ShardReader, scenes: SceneCollection) -> None:
    """Check that the first clip with the name of a scene has the audio of that scene.

    Names do not tell: scenes of other parameters or durations have the same ones. Nothing is
    checked if the sample rates differ or one of the two files cannot be read.

    Args:
        clips: A split of a dataset.
        scenes: The scenes.

    Raises:
        UserError: ``"conflict"``: The audio differs.
    """
    known = next((n for n, key in enumerate(clips.keys) if parse_key(key)[0] in scenes), None)
    if known is None:
        return
    key = clips.keys[known]
    name, start_s = parse_key(key)
    try:
        cut, whole = clips.read(known, "flac"), memoryview(scenes.audio_file(name).read_bytes())
        rates_hz = [read_flac_index(each).sample_rate_hz for each in (cut, whole)]
        clip, scene = decode_audio(cut), decode_audio(whole)
    except (BadItem, OSError):
        return
    if rates_hz[0] != rates_hz[1]:
        return
    first = round(start_s * rates_hz[0])
    part = scene[:, first : first + clip.shape[1]]
    if part.shape != clip.shape or _correlation(part, clip) < MIN_CORRELATION:
        raise UserError(
            f"the clip {key} of {clips.dataset} has other audio than the scene {name} of "
            f"{scenes.path}; give the --scenes from which the dataset was built",
            "conflict",
            "--scenes",
        )


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1e-9))
