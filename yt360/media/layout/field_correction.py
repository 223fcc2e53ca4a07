"""Correct the gain of W relative to X, Y and Z where it is clearly wrong, and undo the correction.

X, Y and Z are scaled, and W is not changed. Therefore the level of W, which decides what is silent,
and the mono signal of a clip stay as recorded. If W is too low, the frequent case, X, Y and Z
become quieter, so nothing clips. One gain for X, Y and Z keeps the direction of every source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from yt360.ambisonics.directional_gain import scale_directions
from yt360.media.layout.field_gain import MAX_GAIN_DB, OCTAVE_CENTRES_HZ, FieldGain
from yt360.media.names import FieldGainMode

# Half of the step from SN3D to FuMa. Recordings with a right gain are within 0.6 dB, and within
# 1.1 dB if a near source and its reflection interfere.
DEAD_BAND_DB = 1.5
# Tiles of recordings spread by 0.2 to 1 dB, of loudspeaker mixes by 2 to 13 dB.
MAX_SPREAD_DB = 2.0
# The gain of recorders that roll W off changes by up to 4.4 dB between 0.3 and 2.4 kHz. Where the
# directions are lost in noise, it changes by 14 dB.
MAX_TILT_DB = 8.0
# N3D whose W is 3 dB low has 7.8 dB; lowering X, Y and Z by more leaves nearly mono.
MAX_LOWERING_DB = 9.0
# Cameras store X, Y and Z 3 dB low. Raising them raises the noise of their capsules.
MAX_RAISING_DB = 6.0

_CENTRES_HZ = np.array(OCTAVE_CENTRES_HZ)
# Above, spatial aliasing has destroyed the directions.
_LAST_EQUALIZED_HZ = 4800.0


def _one_or_per_octave(gains_db: tuple[float, ...]) -> tuple[float, ...]:
    if len(gains_db) not in (1, len(OCTAVE_CENTRES_HZ)):
        raise ValueError(f"{len(gains_db)} gains, not 1 or {len(OCTAVE_CENTRES_HZ)}")
    return gains_db


Decibels = Annotated[float, Field(ge=-MAX_GAIN_DB, le=MAX_GAIN_DB, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class FieldCorrection:
    """What was measured of a recording, and the gain that its clips got.

    Attributes:
        field_gain_db: Gain of W relative to ambiX; negative if W is low. See `FieldGain`.
        octaves_db: The same in each octave of `OCTAVE_CENTRES_HZ`; None where it is unknown.
        spread_db: Uncertainty of the gain.
        xyz_gains_db: Gain that X, Y and Z got: one number, or one for each octave.
    """

    field_gain_db: Decibels
    octaves_db: tuple[Decibels | None, ...]
    spread_db: Decibels
    xyz_gains_db: Annotated[tuple[Decibels, ...], AfterValidator(_one_or_per_octave)]

    @property
    def mode(self) -> FieldGainMode:
        """Whether one gain or one for each octave was applied."""
        return "broadband" if len(self.xyz_gains_db) == 1 else "octaves"

    def apply(self, ambix: NDArray[np.floating], sample_rate_hz: int) -> NDArray[np.floating]:
        """Correct ambiX (4, S); W stays the same to the bit."""
        return scale_directions(ambix, self.xyz_gains_db, OCTAVE_CENTRES_HZ, sample_rate_hz)

    def undo(self, ambix: NDArray[np.floating], sample_rate_hz: int) -> NDArray[np.floating]:
        """Return the ambiX (4, S) that `apply` got, to float precision."""
        gains_db = [-gain_db for gain_db in self.xyz_gains_db]
        return scale_directions(ambix, gains_db, OCTAVE_CENTRES_HZ, sample_rate_hz)

    def describe(self) -> str:
        """Return the correction in one line."""
        side = "low" if self.field_gain_db < 0 else "high"
        gains = " ".join(f"{gain_db:+.1f}" for gain_db in self.xyz_gains_db)
        where = "" if self.mode == "broadband" else " in the octaves"
        return f"W is {abs(self.field_gain_db):.1f} dB {side}; X, Y, Z get {gains} dB{where}"


def is_reliable(gain: FieldGain) -> bool:
    """Return whether a gain is that of a sound field whose W can be wrong in this way."""
    return (
        gain.spread_db <= MAX_SPREAD_DB
        and gain.tilt_db <= MAX_TILT_DB
        and -MAX_LOWERING_DB <= gain.broadband_db <= MAX_RAISING_DB
    )


def field_correction(gain: FieldGain | None, mode: FieldGainMode) -> FieldCorrection | None:
    """Return the correction of a recording; None if it stays as it is, to the bit.

    Args:
        gain: Gain of the whole recording; None if unknown.
        mode: ``"broadband"`` corrects one gain; ``"octaves"`` also the difference between octaves;
            ``"off"`` nothing.
    """
    if mode == "off" or gain is None or not is_reliable(gain):
        return None
    xyz_gains_db: tuple[float, ...] = (gain.broadband_db,)
    if mode == "octaves":
        xyz_gains_db = tuple(round(float(each), 2) for each in _equalizer_db(gain))
    if np.abs(xyz_gains_db).max() <= DEAD_BAND_DB:
        return None
    return FieldCorrection(
        field_gain_db=gain.broadband_db,
        octaves_db=gain.octaves_db,
        spread_db=gain.spread_db,
        xyz_gains_db=xyz_gains_db,
    )


def _equalizer_db(gain: FieldGain) -> NDArray[np.float64]:
    """Return the gain of X, Y and Z in each octave, constant beyond the measured ones."""
    octaves_db = np.array(gain.octaves_db, np.float64)
    used = np.isfinite(octaves_db) & (_CENTRES_HZ <= _LAST_EQUALIZED_HZ)
    filled = np.interp(np.log(_CENTRES_HZ), np.log(_CENTRES_HZ[used]), octaves_db[used])
    return np.clip(filled, -MAX_LOWERING_DB, MAX_RAISING_DB)
