"""Check that synthetic scenes are those from which a dataset was built."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from avsa.data.clips import clips_form, open_clips
from yt360.clip_codec.decoder import decode_audio
from yt360.clips import parse_key
from yt360.errors import BadItem, UserError
from yt360.scenes.folder import open_folder

MIN_CORRELATION = 0.9
"""The correlation is 1 for the same scene, and about 0 for scenes of different parameters."""


def require_scenes_of(dataset: Path, split: str, scenes: Path) -> None:
    """Check that the first clip with the name of a scene has the audio of that scene.

    Names do not tell: scenes of other parameters or durations have the same ones. Nothing is
    checked if the sample rates differ or one of the two files cannot be read.

    Args:
        dataset: Folder of shards.
        split: Split of the dataset.
        scenes: Folder that ``yt360 scenes`` wrote.

    Raises:
        UserError: ``"conflict"``: The audio differs.
    """
    folder = open_folder(scenes)
    listed = folder.listed()
    with closing(open_clips(dataset, split)) as clips:
        known = [n for n, key in enumerate(clips.keys) if parse_key(key)[0] in listed]
        rate_hz = folder.form.sample_rate_hz
        if not known or clips_form(clips.info).sample_rate_hz != rate_hz:
            return
        key = clips.keys[known[0]]
        name, start_s = parse_key(key)
        try:
            clip = decode_audio(clips.read(known[0], "flac"))
            scene = decode_audio(folder.files(name)[0].read_bytes())
        except (BadItem, OSError):
            return
    first = round(start_s * rate_hz)
    part = scene[:, first : first + clip.shape[1]]
    if part.shape != clip.shape or _correlation(part, clip) < MIN_CORRELATION:
        raise UserError(
            f"the clip {key} of {dataset} has other audio than the scene {name} of {scenes}; give "
            "the --scenes from which the dataset was built",
            "conflict",
            "--scenes",
        )


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1e-9))
