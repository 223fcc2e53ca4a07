"""Guess the layout of an audio stream from its samples."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np

from yt360.ambisonics.formats import (
    AMBIX,
    FUMA,
    HEAD_LOCKED,
    YOUTUBE_5_1,
    AmbisonicFormat,
    higher_order,
)
from yt360.media.layout.audio_layout import AudioLayout
from yt360.media.layout.field_statistics import (
    FIELD_FRACTION,
    FieldShape,
    Samples,
    band_levels_db,
    channel_levels_dbfs,
    field_fit,
    field_shape,
    silent_channels,
)
from yt360.media.layout.warnings import FUMA_DB, LayoutWarning

# Vorbis and plain Opus store six channels as FL FC FR BL BR LFE; decoders return FL FR FC LFE BL
# BR. W Y Z X L R that was encoded without reordering is therefore decoded as W Z Y R X L.
HEAD_LOCKED_AFTER_VORBIS = AmbisonicFormat(
    "ambiX with head-locked stereo, in Vorbis order", (0, 2, 1, 4), note=HEAD_LOCKED.note
)
_LFE = 3

# Geometric means of the ratios of SN3D (1), FuMa (2) and N3D (3).
FUMA_RATIOS = (2**0.5, 6**0.5)
# Maximum level of Z of a horizontal field; Z is third in ACN order and fourth in FuMa order.
_CLEARLY_QUIETER_DB = 6.0
_MIN_FRACTION_WITH_HEIGHT = 0.5
# Maximum level of a channel that an encoder treated as the LFE, relative to the loudest of the
# first three. AC-3 keeps up to 650 Hz of an LFE, Opus and AAC less. Vorbis keeps more of bursts,
# 18 to 28 dB lower, but nothing above 4 kHz.
_LFE_CODECS = ("aac", "ac3", "eac3", "opus", "vorbis")
_CUT_OFF_DB = {(1000.0, 4000.0): -30.0, (4000.0, 8000.0): -45.0}
# Minimum difference in error between two interpretations of six channels.
_CLEARLY_BETTER_DB = 0.5


def guess_layout(
    pieces: Sequence[Samples], sample_rate_hz: int, codec: str, declared: str
) -> AudioLayout:
    """Return the most likely layout of an audio stream without a stated or declared layout.

    Args:
        pieces: Excerpts (C, S) of the decoded audio, at least one.
        sample_rate_hz: Sample rate.
        codec: FFmpeg's codec name.
        declared: FFmpeg's name of the container's layout.
    """
    channels = pieces[0].shape[0]
    if channels == 4:
        return _four_channels(pieces, sample_rate_hz)
    if channels == 6:
        return _six_channels(pieces, sample_rate_hz, codec, declared)
    if channels <= 2:
        name = "mono" if channels == 1 else "stereo"
        return AudioLayout(name, None, (f"{channels} channel{'s' * (channels > 1)}",))
    return _other_counts(channels)


def _four_channels(pieces: Sequence[Samples], rate: int) -> AudioLayout:
    convention = "four channels without an SA3D box: ambiX by convention"
    if silent_channels(pieces)[0]:
        return AudioLayout("ambix", AMBIX, (convention,))
    fit = field_fit(pieces, rate, 0, (1, 2, 3))
    measured = f"(X²+Y²+Z²)/W² is {fit.ratio:.2f}"
    low, high = FUMA_RATIOS
    levels = channel_levels_dbfs(pieces)
    near_two = low <= fit.ratio <= high and low <= fit.total_ratio <= high
    if not near_two or levels[2] <= levels[3] - _CLEARLY_QUIETER_DB:
        return AudioLayout("ambix", AMBIX, (convention, measured))
    why = f"{measured}: near 2, as in FuMa (W X Y Z), not near 1 as in ambiX"
    shape = field_shape(pieces, rate, FUMA.channels)
    warnings = []
    if shape is not None and not shape.is_exactly(FUMA_DB):
        warnings.append(
            LayoutWarning(
                "two-readings",
                "the ratio differs between octaves: FuMa by its mean, or ambiX with a weak W",
            )
        )
    return AudioLayout("fuma", FUMA, ("four channels", why), tuple(warnings))


def _six_channels(pieces: Sequence[Samples], rate: int, codec: str, declared: str) -> AudioLayout:
    silent = silent_channels(pieces)
    if silent.all():
        return AudioLayout("unknown", None, ("six channels, all silent",))
    w, y, z, x = YOUTUBE_5_1.channels
    if silent[_LFE] and silent[5] and not silent[w]:
        fit = field_fit(pieces, rate, w, (x, y, z))
        why = (
            "six channels, LFE and back right silent as in YouTube's 5.1 ambisonics, "
            f"(X²+Y²+Z²)/W² is {fit.ratio:.2f}"
        )
        # An audible back left channel (Z) with a silent back right one is strong evidence.
        if fit.is_sound_field(FIELD_FRACTION if silent[z] else _MIN_FRACTION_WITH_HEIGHT):
            return AudioLayout("youtube-5.1", YOUTUBE_5_1, (why,))
        return AudioLayout("surround", None, (f"{why}: no sound field",))
    return _head_locked(pieces, rate, codec, declared)


def _head_locked(pieces: Sequence[Samples], rate: int, codec: str, declared: str) -> AudioLayout:
    """Classify six channels that may be W Y Z X and stereo, in one of two orders.

    An encoder that assumes 5.1 low-passes the fourth channel as the LFE. X is then lost, and the
    remaining channels are not a sound field.
    """
    is_cut = codec in _LFE_CODECS and _is_low_passed(pieces, rate)
    readings = [] if is_cut else [HEAD_LOCKED]
    if codec in ("vorbis", "opus") and declared.startswith("5.1"):
        readings.append(HEAD_LOCKED_AFTER_VORBIS)
    found = []
    for reading in readings:
        w, y, z, x = reading.channels
        silent = silent_channels(pieces)
        if silent[w] or silent[[x, y, z]].sum() > 1:
            continue
        fit = field_fit(pieces, rate, w, (x, y, z))
        shape = field_shape(pieces, rate, reading.channels)
        near_one = abs(np.log(max(fit.ratio, 1e-9))) < np.log(FUMA_RATIOS[0])
        if fit.is_sound_field() and near_one and (shape is not None or len(readings) == 1):
            found.append((_error_db(shape), reading, fit.ratio))
    found.sort(key=lambda each: each[0])
    if is_cut and found and not _improves_with_x(pieces, rate, found[0][0]):
        found = []
    if not found:
        lost = ", the fourth cut down to an LFE" if is_cut else ""
        why = f"six channels that behave as 5.1 surround sound{lost}"
        return AudioLayout("surround", None, (why,))
    error_db, reading, ratio = found[0]
    warnings = []
    if len(found) > 1 and found[1][0] < error_db + _CLEARLY_BETTER_DB:
        warnings.append(
            LayoutWarning(
                "two-readings", "W Y Z X L R as decoded and in Vorbis order fit about as well"
            )
        )
    if is_cut:
        warnings.append(
            LayoutWarning(
                "two-readings",
                "the fourth channel is cut down to an LFE: head-locked stereo in Vorbis order, or "
                "W Y Z X L R that has lost X",
            )
        )
    why = f"six channels, four of which behave as ambiX: (X²+Y²+Z²)/W² is {ratio:.2f}"
    if len(readings) > 1:
        why += f"; channels {list(reading.channels)} are W Y Z X"
    return AudioLayout("head-locked", reading, (why,), tuple(warnings))


def _error_db(shape: FieldShape | None) -> float:
    """Return the deviation of four channels from a constant ratio of 1, in dB."""
    return abs(shape.mean_ratio_db) + float(shape.spread_db[0]) if shape else 0.0


def _improves_with_x(pieces: Sequence[Samples], rate: int, error_db: float) -> bool:
    """Return whether the Vorbis order fits a sound field better with its X channel than without."""
    w, y, z, x = HEAD_LOCKED_AFTER_VORBIS.channels
    without = []
    for piece in pieces:
        changed = piece.copy()
        changed[x] = 0
        without.append(changed)
    shape = field_shape(without, rate, (w, y, z, x))
    return shape is not None and error_db + _CLEARLY_BETTER_DB < _error_db(shape)


def _is_low_passed(pieces: Sequence[Samples], rate: int) -> bool:
    """Return whether the fourth of six channels is audible only at low frequencies, as an LFE."""
    if silent_channels(pieces)[_LFE]:
        return False
    for band_hz, cut_off_db in _CUT_OFF_DB.items():
        levels = band_levels_db(pieces, rate, band_hz)
        if levels[_LFE] < levels[:_LFE].max() + cut_off_db:
            return True
    return False


def _other_counts(channels: int) -> AudioLayout:
    for extra in (0, 2):
        order = isqrt(max(channels - extra, 0)) - 1
        if order >= 2 and (order + 1) ** 2 == channels - extra:
            kept = higher_order(order)
            locked = f" and {extra} head-locked channels" if extra else ""
            why = f"{channels} channels: ambisonics of order {order}{locked}; {kept.note}"
            return AudioLayout("ambix", kept, (why,))
    return AudioLayout("unknown", None, (f"{channels} channels: no ambisonic order has as many",))
