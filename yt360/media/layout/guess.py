"""Guess the layout of an audio stream from its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isqrt

import numpy as np

from yt360.ambisonics.formats import (
    AMBIX,
    FUMA,
    FUMA_ORDER,
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

# Maximum ratio of ambiX: the geometric mean of the ratios of SN3D (1) and FuMa (2).
_MAX_RATIO = 2**0.5
# Z is the quietest direction of most recordings: third in ACN order and fourth in FuMa order.
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
    return _other_counts(pieces, sample_rate_hz)


def _four_channels(pieces: Sequence[Samples], rate: int) -> AudioLayout:
    """Return ambiX, unless the channels have the order W X Y Z (FuMa).

    A weak W alone is no evidence of FuMa: that of many recorders is 3 dB low. A silent Z is
    evidence of the order. A ratio of exactly 2 in every octave is evidence of a conversion to FuMa,
    whose order is W X Y Z by convention.
    """
    convention = "four channels without an SA3D box: ambiX by convention"
    shape = field_shape(pieces, rate, AMBIX.channels)
    if shape is None:
        return AudioLayout("ambix", AMBIX, (convention,))
    measured = f"(X²+Y²+Z²)/W² is {10 ** (shape.mean_ratio_db / 10):.2f}"
    if shape.silent_last_db is not None:
        why = (
            f"the last channel is {shape.silent_last_db:.0f} dB below the third: Z of a horizontal "
            "recording in the order W X Y Z (FuMa)"
        )
        stored = FUMA if shape.is_exactly(FUMA_DB) else FUMA_ORDER
        return AudioLayout("fuma", stored, ("four channels", why, measured))
    _, _, z, x = shape.levels_db
    if shape.is_exactly(FUMA_DB) and z > x - _CLEARLY_QUIETER_DB:
        why = f"{measured} in every octave, as in FuMa (W X Y Z)"
        warning = LayoutWarning(
            "two-readings", "FuMa by its exact ratio, or ambiX with a W that is exactly 3 dB low"
        )
        return AudioLayout("fuma", FUMA, ("four channels", why), (warning,))
    return AudioLayout("ambix", AMBIX, (convention, measured))


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
        near_one = abs(np.log(max(fit.ratio, 1e-9))) < np.log(_MAX_RATIO)
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


def _other_counts(pieces: Sequence[Samples], rate: int) -> AudioLayout:
    channels = pieces[0].shape[0]
    for extra in (0, 2):
        order = isqrt(max(channels - extra, 0)) - 1
        if order >= 2 and (order + 1) ** 2 == channels - extra:
            kept = higher_order(order)
            locked = f" and {extra} head-locked channels" if extra else ""
            why = f"{channels} channels: ambisonics of order {order}{locked}; {kept.note}"
            return AudioLayout("ambix", kept, (why,))
    if channels > 4 and _starts_with_field(pieces, rate):
        kept = replace(AMBIX, note=f"{channels - 4} channels after the first order dropped")
        why = f"{channels} channels, the first four of which behave as ambiX; {kept.note}"
        return AudioLayout("ambix", kept, (why,))
    return AudioLayout("unknown", None, (f"{channels} channels: no ambisonic order has as many",))


def _starts_with_field(pieces: Sequence[Samples], rate: int) -> bool:
    """Return whether the first four channels are a sound field, and not those of 7.1 film sound."""
    if field_shape(pieces, rate, AMBIX.channels) is None or _is_low_passed(pieces, rate):
        return False
    return field_fit(pieces, rate, 0, (1, 2, 3)).is_sound_field()
