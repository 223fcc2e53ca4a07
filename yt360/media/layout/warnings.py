"""Warnings: contradictions between the samples and the assumed layout.

The gain of W relative to X, Y, Z differs by several dB between microphones and varies with
frequency, so a level alone is no contradiction. Contradictions are:

- The ratio of another normalization in every octave. A conversion scales W by a constant, so
  (X²+Y²+Z²)/W² is 0 dB (SN3D), 3.01 dB (FuMa) or 4.77 dB (N3D) at all frequencies; the ratio of
  microphones varies.
- Channels in phase. In a sound field, contributions from opposite directions cancel on average;
  outward-facing capsules (A-format) all have the same sign.
- A W that is too quiet for the level of a direction channel, or that fits the other channels worse
  than one of them does.
- A silent X with an audible Z, or more energy from above than from the sides: order W X Y Z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yt360.media.layout.field_statistics import FieldShape

SN3D_DB, FUMA_DB, N3D_DB = 0.0, 3.01, 4.77
# Coherence of two channels, in [-1, 1]. Capsules have 0.37 and more; 0.67 in a diffuse field.
_IN_PHASE = 0.35
# A single source may have all channels in phase if the ratio is within this tolerance.
_FIELD_DB = 2.0
# Recorders with a weak W have up to 6 dB.
_MAX_DIRECTION_DB = 8.5
_BETTER_DB = 1.0
_SILENT_DB = 50.0
_FROM_ABOVE_DB = 3.0


@dataclass(frozen=True)
class LayoutWarning:
    """Evidence against a layout.

    Attributes:
        code: Short fixed identifier.
        detail: One sentence with the measurement.
    """

    code: str
    detail: str


def layout_warnings(
    shape: FieldShape, expected_db: float, *, any_order: bool
) -> list[LayoutWarning]:
    """Return the evidence against a channel order and normalization.

    Args:
        shape: Statistics of the channels in this order, before any gain is applied.
        expected_db: Ratio of this normalization: `SN3D_DB`, `FUMA_DB` or `N3D_DB`.
        any_order: Whether the channels could have another order; False if the positions of silent
            channels determine the order.
    """
    found = [
        _other_normalization(shape, expected_db),
        _capsules(shape, expected_db),
        _weak_w(shape, expected_db),
        _other_order(shape) if any_order else None,
    ]
    return [warning for warning in found if warning is not None]


def _other_normalization(shape: FieldShape, expected_db: float) -> LayoutWarning | None:
    _, _, z, _ = shape.levels_db - shape.levels_db[1:].max()
    for name, ratio_db in (("SN3D", SN3D_DB), ("FuMa", FUMA_DB), ("N3D", N3D_DB)):
        if abs(ratio_db - expected_db) < 0.1 or not shape.is_exactly(ratio_db):
            continue
        if ratio_db == FUMA_DB and z < -_SILENT_DB:
            continue  # FuMa has Y in this channel: a horizontal field with a weak W
        return LayoutWarning(
            "normalization",
            f"(X²+Y²+Z²)/W² is {10 ** (shape.mean_ratio_db / 10):.2f} in every octave, as in {name}"
            f"; it should be {10 ** (expected_db / 10):.0f}",
        )
    return None


def _capsules(shape: FieldShape, expected_db: float) -> LayoutWarning | None:
    pairs = shape.coherence[np.triu_indices(4, 1)]
    # One source may be in phase in all channels, so only a wrong ratio contradicts a sound field.
    off_db = abs(shape.mean_ratio_db - expected_db)
    if pairs.min() < _IN_PHASE or off_db < _FIELD_DB:
        return None
    return LayoutWarning(
        "a-format",
        f"all channels are in phase (coherence {pairs.min():.2f} and more), as the capsules of a "
        "microphone are before they are converted (A-format)",
    )


def _weak_w(shape: FieldShape, expected_db: float) -> LayoutWarning | None:
    loudest_db = shape.levels_db[1:].max() - expected_db
    if loudest_db > _MAX_DIRECTION_DB:
        return LayoutWarning(
            "no-field",
            f"a direction channel is {loudest_db:.1f} dB louder than W can make it: "
            "another order of channels, or no ambisonics",
        )
    better_db = shape.spread_db[0] - shape.spread_db[1:].min()
    if better_db > _BETTER_DB and shape.mean_ratio_db - expected_db > _FIELD_DB:
        return LayoutWarning(
            "no-field",
            "another channel follows the rest better than W does: another order of channels, "
            "or no ambisonics",
        )
    return None


def _other_order(shape: FieldShape) -> LayoutWarning | None:
    _, y, z, x = shape.levels_db
    if shape.silent_last_db is not None:
        return LayoutWarning(
            "channel-order",
            "the last channel is silent and the third is not: nothing to hear in front or behind, "
            "or a horizontal recording in the order W X Y Z",
        )
    if z > max(x, y) + _FROM_ABOVE_DB:
        return LayoutWarning(
            "channel-order",
            f"the third channel (Z) is {z - max(x, y):.1f} dB louder than Y and X: "
            "more sound from above than from the sides, or another order of channels",
        )
    return None
