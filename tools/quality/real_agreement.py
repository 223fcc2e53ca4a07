"""Compare directions of sound and picture on labelled real recordings, and with changed channels.

    PYTHONPATH=tools python -m quality.real_agreement FOLDER

FOLDER holds ``labels.csv`` and ``clips/``. Prints the direction of each labelled source, and what
the check says if the channels of usable recordings are exchanged or inverted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from quality.real_bench import read_labels
from yt360.media.layout.sound_field import FieldSegment
from yt360.quality.checks.av_agreement import AvAgreementCheck, AvAgreementConfig
from yt360.quality.inspect import Configs, InspectOptions, Inspector
from yt360.quality.signal.channel_changes import AS_READ, CHANGES, ChannelChange
from yt360.quality.verdict import Outcome, Verdict

# A change by less than three times the error of directions cannot be seen.
LEAST_CHANGE_DEG = 36.0
SECTION_INTERVAL_S = 60.0


class ChangedCheck(AvAgreementCheck):
    """The check on audio whose channels are stored with a change."""

    def __init__(self, config: AvAgreementConfig, change: ChannelChange) -> None:
        super().__init__(config)
        self._stored = np.eye(4)
        axes = [3, 1, 2]
        self._stored[np.ix_(axes, axes)] = change.matrix.T

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:
        """Change the channels of the next tile."""
        covariance = (self._stored @ ambix.covariance @ self._stored.T).astype(np.complex64)
        super().add_field(replace(ambix, covariance=covariance), stored)


class ChangedConfig:
    """A config of the check that changes the channels first."""

    needs = "audio and video"

    def __init__(self, change: ChannelChange) -> None:
        self.kind = change.name
        self._change = change
        self._config = AvAgreementConfig()
        self.judge = self._config.judge

    def build(self) -> ChangedCheck:
        """Return the check."""
        return ChangedCheck(self._config, self._change)


def verdicts_by_change(*paths: Path) -> dict[str, Verdict]:
    """Return the verdict on a recording with each change of its channels, read as ambiX.

    Args:
        *paths: The recording, or its sections in order.
    """
    checks = {change.name: ChangedConfig(change) for change in CHANGES}
    inspector = Inspector(
        paths[0].name, InspectOptions(audio_layout="ambix", checks=cast("Configs", checks))
    )
    start_s = 0.0
    for path in paths:
        inspector.add(path, start_s=start_s, is_section=len(paths) > 1)
        start_s += SECTION_INTERVAL_S
    return inspector.finish().verdicts


def answer(verdict: Verdict, change: ChannelChange, numbers: Mapping[str, float]) -> str:
    """Return what the check says about a change: found, unsure, missed, or why it cannot tell.

    Args:
        verdict: Verdict on the changed channels.
        change: The change.
        numbers: Measurements of the unchanged recording.
    """
    if verdict.reason == "no-clear-source":
        return "no clear source"
    azimuth = np.radians(numbers["sound_azimuth_deg"])
    elevation = np.radians(numbers.get("sound_elevation_deg", 0))
    flat = np.cos(elevation)
    way = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    moved_deg = np.degrees(np.arccos(np.clip(way @ change.matrix.T @ way, -1, 1)))
    if change is not AS_READ and moved_deg < LEAST_CHANGE_DEG:
        return "same place"
    if verdict.outcome is Outcome.UNSURE:
        return "unsure"
    return "found" if verdict.outcome is Outcome.NOT_OK else "missed"


def main() -> int:
    """Print both tables; return 1 if an unchanged usable recording is not ok."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    answers: dict[str, Counter[str]] = {change.name: Counter() for change in CHANGES}
    print("source | label | tolerance | sound | best offset | chance | probability | verdict")
    wrong = 0
    groups: dict[str, list[Path]] = defaultdict(list)
    for label in read_labels(folder):
        if not label["sound"].startswith(("foa", "fuma-order")):
            continue
        verdicts = verdicts_by_change(folder / "clips" / label["file"])
        if not verdicts:
            continue
        verdict = verdicts[AS_READ.name]
        print(_line(label, verdict))
        if label["sound"] == "fuma-order":
            continue
        groups[label["recording_group"]].append(folder / "clips" / label["file"])
        wrong += verdict.outcome is Outcome.NOT_OK
        for change in CHANGES:
            said = answer(verdicts[change.name], change, verdict.numbers)
            answers[change.name][said] += 1
    columns = ("found", "unsure", "missed", "same place", "no clear source")
    print("\nstored as | " + " | ".join(columns))
    for change in CHANGES[1:]:
        counts = (str(answers[change.name][column]) for column in columns)
        print(f"{change.description} | " + " | ".join(counts))
    for paths in groups.values():
        if len(paths) > 1:
            print(f"\n{len(paths)} clips of one recording as its sections: probability of a defect")
            for name, verdict in verdicts_by_change(*paths).items():
                print(f"{name}: {verdict.defect_probability:.2f} ({verdict.reason})")
    return int(wrong > 0)


def _line(label: Mapping[str, str], verdict: Verdict) -> str:
    numbers = verdict.numbers
    if "sound_azimuth_deg" not in numbers:
        sound = offset = chance = "-"
    else:
        elevation = numbers.get("sound_elevation_deg")
        above = "" if elevation is None else f", {elevation:.0f}"
        sound = f"{numbers['sound_azimuth_deg']:.0f}{above}"
        offset = f"{numbers['offset_deg']:+.0f} ({numbers['offset_confidence']:.2f})"
        chance = f"{numbers['chance']:.2f}"
    where = f"{label['source_azimuth']}, {label['source_elevation']}".strip(", ")
    cells = (label["source"], where, label["tolerance"], sound, offset, chance)
    probability = f"{verdict.defect_probability:.3f}"
    return " | ".join((*cells, probability, f"{verdict.outcome.value} ({verdict.reason})"))


if __name__ == "__main__":
    sys.exit(main())
