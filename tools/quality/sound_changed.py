"""Change real sound fields into channels that are no sound field, and judge them.

    PYTHONPATH=tools python -m quality.sound_changed FOLDER

FOLDER holds ``labels.csv`` and ``clips/``. Prints the verdicts of the spatial-audio check on usable
recordings, as they are and mixed to loudspeakers, capsules or another order of channels. Their
sound is steadier than that of generated recordings, so that the ratio of any channels varies less.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quality.real_bench import read_labels
from yt360.ambisonics.formats import AMBIX
from yt360.media.audio.reader import AudioReader
from yt360.media.layout.sound_field import FieldAnalyzer, FieldSegment
from yt360.media.probe import probe
from yt360.quality.checks import CHECKS
from yt360.quality.verdict import Outcome

CORNERS = np.radians([45, -45, 135, -135])
CAPSULES = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def feeds(gain: float) -> NDArray[np.float64]:
    """Return the matrix (4, 4) from W, Y, Z, X to four loudspeakers."""
    return np.stack([[0.5, gain * np.sin(a) / 2, 0, gain * np.cos(a) / 2] for a in CORNERS])


CHANGES: dict[str, list[NDArray[np.float64]]] = {
    "as they are": [np.eye(4)],
    "quad feeds (cardioid, max-rE, basic)": [feeds(1), feeds(2**0.5), feeds(2)],
    "capsules of a tetrahedron": [np.stack([[0.5, y / 2, z / 2, x / 2] for x, y, z in CAPSULES])],
    "order X Y Z W": [np.eye(4)[[3, 1, 2, 0]]],
    "order Y W Z X": [np.eye(4)[[1, 0, 2, 3]]],
    "order Z W Y X": [np.eye(4)[[2, 0, 1, 3]]],
}


def main() -> None:
    """Run the tool."""
    folder = Path(sys.argv[1])
    names = [row["file"] for row in read_labels(folder) if row["sound"].startswith("foa")]
    found: dict[str, Counter[Outcome]] = {change: Counter() for change in CHANGES}
    for name in names:
        segments = list(_segments(folder / "clips" / name))
        for change, matrices in CHANGES.items():
            found[change].update(_outcome(segments, matrix) for matrix in matrices)
    print("| made of real fields | rejected | unsure | accepted |\n|---|---|---|---|")
    for change, counts in found.items():
        cells = (counts[each] for each in (Outcome.NOT_OK, Outcome.UNSURE, Outcome.OK))
        print(f"| {change} |", " | ".join(map(str, cells)), "|")


def _segments(path: Path) -> Iterator[FieldSegment]:
    stream = probe(path).audio[0]
    rate = stream.sample_rate_hz
    with AudioReader(path, stream.position) as reader:
        sound, _ = reader.read(0, round(stream.end_s * rate))
    yield from FieldAnalyzer(rate).feed(sound[list(AMBIX.channels)])


def _outcome(segments: list[FieldSegment], matrix: NDArray[np.float64]) -> Outcome:
    check = CHECKS.load("spatial-audio")().build()
    for segment in segments:
        covariance = (matrix @ segment.covariance @ matrix.T).astype(np.complex64)
        changed = replace(segment, covariance=covariance)
        check.add_field(changed, changed)
    verdict = check.verdict({})
    assert verdict is not None
    return Outcome(verdict.outcome)


if __name__ == "__main__":
    main()
