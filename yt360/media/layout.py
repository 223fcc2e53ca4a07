"""Which channels of a sound are ambisonics, and why that is believed.

Pure functions: declarations and samples in, a `SoundLayout` with its evidence out.

The physics behind the numbers: a plane wave s from direction (x, y, z) has W = g s and
(X, Y, Z) = s (x, y, z), so |X|² + |Y|² + |Z|² is 1 / g² times |W|²: once for SN3D, twice for FuMa
(W stored 3 dB down), three times for N3D. Diffuse sound and any mix of independent sources keep the
same ratio on average. So it is taken in short frames over the band of speech and music, and the
median of the frames is robust against rumble, wind and single noisy moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonic_formats import (
    AMBIX,
    FUMA,
    HEAD_LOCKED,
    N3D,
    YOUTUBE_5_1,
    AmbisonicFormat,
    higher_order,
    sa3d_format,
)
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.media.spherical import SA3D

Samples = NDArray[np.float32]

# Layouts that a user or a catalog may state. The last two are yt-dlp's names for YouTube's.
STATED_LAYOUTS: dict[str, AmbisonicFormat] = {
    "ambix": AMBIX,
    "fuma": FUMA,
    "n3d": N3D,
    "youtube-5.1": YOUTUBE_5_1,
    "head-locked": HEAD_LOCKED,
    "ambisonics_quad": AMBIX,
    "ambisonics_5_1": YOUTUBE_5_1,
}
# Vorbis and plain Opus order six channels FL FC FR BL BR LFE; decoders give FL FR FC LFE BL BR, so
# W Y Z X L R comes out as W Z Y R X L.
HEAD_LOCKED_AFTER_VORBIS = AmbisonicFormat(
    "ambiX with head-locked stereo, in Vorbis order", (0, 2, 1, 4), note=HEAD_LOCKED.note
)

SILENT_DBFS = -90.0
SILENT_BELOW_LOUDEST_DB = 60.0
# Halfway, as a factor, between the ratios of SN3D (1), FuMa (2) and N3D (3).
FUMA_RATIOS = (2**0.5, 6**0.5)
# A horizontal quiet channel: Z is third in ACN order and fourth in FuMa's.
_CLEARLY_QUIETER_DB = 6.0
_FIELD_RATIOS = (0.3, 2.0)
_FIELD_FACTOR = 3.0
# Recordings and synthetic fields reach 0.95 to 1; film mixes with pauses in the speech 0.5 to 0.8.
_FIELD_SHARE = 0.85
_FIELD_SHARE_WITH_HEIGHT = 0.5
# Frames this much below the loud ones (30 dB) tell nothing.
_HEARD_PART = 1e-3
_BAND_HZ = (150.0, 5000.0)
_WINDOW_S = 0.02


@dataclass(frozen=True)
class SoundLayout:
    """What the channels of a sound stream are.

    Attributes:
        name: ``"ambix"``, ``"fuma"``, ``"n3d"``, ``"youtube-5.1"``, ``"head-locked"`` for spatial
            sound; ``"mono"``, ``"stereo"``, ``"surround"``, ``"unknown"`` for the rest.
        format: How it becomes ambiX; None when it is not spatial.
        evidence: Why this is believed, a sentence each.
        doubts: What speaks against it.
    """

    name: str
    format: AmbisonicFormat | None
    evidence: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    @property
    def is_spatial(self) -> bool:
        """Whether the sound can be converted to ambiX."""
        return self.format is not None


@dataclass(frozen=True)
class FieldFit:
    """How well some channels behave as W and X, Y, Z (in any order) of one sound field.

    Attributes:
        ratio: Energy of the three by the energy of W, the median of short frames; NaN for silence.
        total_ratio: The same of all the sound at once.
        field_share: Part of the frames, in [0, 1], whose ratio is within a factor of 3 of 1.
    """

    ratio: float
    total_ratio: float
    field_share: float

    def looks_like_a_field(self, least_share: float = _FIELD_SHARE) -> bool:
        """Whether the four behave as SN3D ambisonics do."""
        low, high = _FIELD_RATIOS
        return low <= self.ratio <= high and self.field_share >= least_share


def detect_layout(
    pieces: Sequence[Samples],
    sample_rate_hz: int,
    *,
    codec: str = "",
    declared: str = "",
    sa3d: SA3D | None = None,
    stated: str | None = None,
) -> SoundLayout:
    """Decide what the channels of a sound stream are.

    Args:
        pieces: Stretches (C, S) of the decoded sound, channels in the decoder's order; at least
            one, which may be empty (C, 0).
        sample_rate_hz: Their rate.
        codec: FFmpeg's name of the codec.
        declared: The container's layout name, such as ``"5.1"`` or ``"ambisonic 1"``.
        sa3d: The stream's SA3D box, if it has one.
        stated: A layout that the user or a catalog states; it is believed.

    Raises:
        UserError: `stated` is not one of `STATED_LAYOUTS`.
        BadItem: `stated` or `sa3d` does not fit the number of channels.
    """
    channels = pieces[0].shape[0]
    if stated is not None:
        return _from_statement(stated, channels)
    if sa3d is not None:
        return _from_sa3d(sa3d, channels)
    if channels == 4:
        return _four_channels(pieces, sample_rate_hz, declared)
    if channels == 6:
        return _six_channels(pieces, sample_rate_hz, codec, declared)
    if channels <= 2:
        name = "mono" if channels == 1 else "stereo"
        return SoundLayout(name, None, (f"{channels} channel{'s' * (channels > 1)}",))
    return _other_counts(channels)


def channel_levels_dbfs(pieces: Sequence[Samples]) -> NDArray[np.float64]:
    """Return each channel's level (C,) in dB relative to a full-scale square wave; floor -200."""
    count = sum(piece.shape[1] for piece in pieces)
    energy = sum(np.square(piece, dtype=np.float64).sum(axis=1) for piece in pieces)
    return 10 * np.log10(np.maximum(energy / max(count, 1), 1e-20))


def field_fit(
    pieces: Sequence[Samples], sample_rate_hz: int, w: int, xyz: tuple[int, int, int]
) -> FieldFit:
    """Measure how well channel `w` and the channels `xyz` behave as one sound field."""
    frames = [_frame_energies(piece[[w, *xyz]], sample_rate_hz) for piece in pieces]
    energies = np.concatenate(frames, axis=1)
    w_energy, xyz_energy = energies[0], energies[1:].sum(axis=0)
    energy = w_energy + xyz_energy
    if w_energy.sum() <= 0:
        return FieldFit(float("nan"), float("nan"), 0.0)
    ratios = xyz_energy / np.maximum(w_energy, 1e-30)
    near_one = (ratios > 1 / _FIELD_FACTOR) & (ratios < _FIELD_FACTOR)
    return FieldFit(
        ratio=float(np.median(ratios[energy >= np.quantile(energy, 0.4)])),
        total_ratio=float(xyz_energy.sum() / w_energy.sum()),
        field_share=float(near_one[energy > _HEARD_PART * np.quantile(energy, 0.95)].mean()),
    )


def _from_statement(stated: str, channels: int) -> SoundLayout:
    if stated not in STATED_LAYOUTS:
        raise UserError(f"unknown sound layout {stated!r}{did_you_mean(stated, STATED_LAYOUTS)}")
    layout = STATED_LAYOUTS[stated]
    needed = max(layout.channels) + 1
    if channels < needed:
        raise BadItem(
            "channel-count", f"layout {stated} needs {needed} channels, the sound has {channels}"
        )
    return SoundLayout(_name_of(layout), layout, (f"stated: {stated}",))


def _from_sa3d(sa3d: SA3D, channels: int) -> SoundLayout:
    if len(sa3d.channel_map) != channels:
        raise BadItem(
            "sa3d", f"the SA3D box maps {len(sa3d.channel_map)} channels, the sound has {channels}"
        )
    layout = sa3d_format(sa3d.order, sa3d.ordering, sa3d.normalization, sa3d.channel_map)
    evidence = (
        f"SA3D box: order {sa3d.order}, {sa3d.ordering} {sa3d.normalization}, "
        f"channel map {list(sa3d.channel_map)}"
    )
    return SoundLayout("n3d" if sa3d.normalization == "n3d" else "ambix", layout, (evidence,))


def _four_channels(pieces: Sequence[Samples], rate: int, declared: str) -> SoundLayout:
    evidence = ["four channels without an SA3D box: ambiX by convention"]
    if declared.startswith("ambisonic"):
        return SoundLayout("ambix", AMBIX, (f"the container declares {declared!r}",))
    levels = channel_levels_dbfs(pieces)
    silent = _silent(levels)
    if silent[0]:
        return SoundLayout("ambix", AMBIX, tuple(evidence), ("channel W is silent",))
    fit = field_fit(pieces, rate, 0, (1, 2, 3))
    measured = f"(X²+Y²+Z²)/W² is {fit.ratio:.2f}"
    doubts = []
    low, high = FUMA_RATIOS
    if low <= fit.ratio <= high and low <= fit.total_ratio <= high:
        if levels[2] > levels[3] - _CLEARLY_QUIETER_DB:
            why = f"{measured}: near 2, as in FuMa (W X Y Z), not near 1 as in ambiX"
            return SoundLayout("fuma", FUMA, ("four channels", why))
        doubts.append(f"{measured}: near 2 as in FuMa, but the third channel is quiet as ambiX's Z")
    elif fit.ratio > high:
        doubts.append(f"{measured}: too much for ambiX; N3D, or four channels that are no field")
    else:
        evidence.append(measured)
    if silent[3] and not silent[2]:
        doubts.append(
            "the last channel is silent and the third is not: nothing to hear in front or behind, "
            "or a horizontal recording in the order W X Y Z"
        )
    return SoundLayout("ambix", AMBIX, tuple(evidence), tuple(doubts))


def _six_channels(pieces: Sequence[Samples], rate: int, codec: str, declared: str) -> SoundLayout:
    if declared.startswith("ambisonic"):
        return SoundLayout("head-locked", HEAD_LOCKED, (f"the container declares {declared!r}",))
    silent = _silent(channel_levels_dbfs(pieces))
    if silent.all():
        return SoundLayout("unknown", None, ("six channels, all silent",))
    w, y, z, x = YOUTUBE_5_1.channels
    if silent[3] and silent[5] and not silent[w]:
        fit = field_fit(pieces, rate, w, (x, y, z))
        why = (
            "six channels, LFE and back right silent as in YouTube's 5.1 ambisonics, "
            f"(X²+Y²+Z²)/W² is {fit.ratio:.2f}"
        )
        # A back left channel (Z) beside a silent back right one is all but proof by itself.
        if fit.looks_like_a_field(_FIELD_SHARE if silent[z] else _FIELD_SHARE_WITH_HEIGHT):
            return SoundLayout("youtube-5.1", YOUTUBE_5_1, (why,))
        return SoundLayout("surround", None, (f"{why}: no sound field",))
    order = HEAD_LOCKED_AFTER_VORBIS if codec in ("vorbis", "opus") else HEAD_LOCKED
    w, y, z, x = order.channels
    if not silent[w] and silent[[x, y, z]].sum() <= 1:
        fit = field_fit(pieces, rate, w, (x, y, z))
        if fit.looks_like_a_field() and abs(np.log(fit.ratio)) < np.log(FUMA_RATIOS[0]):
            why = f"six channels, four of which behave as ambiX: (X²+Y²+Z²)/W² is {fit.ratio:.2f}"
            return SoundLayout("head-locked", order, (why,))
    return SoundLayout("surround", None, ("six channels that behave as 5.1 surround sound",))


def _other_counts(channels: int) -> SoundLayout:
    for extra in (0, 2):
        order = isqrt(max(channels - extra, 0)) - 1
        if order >= 2 and (order + 1) ** 2 == channels - extra:
            kept = higher_order(order)
            locked = f" and {extra} head-locked channels" if extra else ""
            why = f"{channels} channels: ambisonics of order {order}{locked}; {kept.note}"
            return SoundLayout("ambix", kept, (why,))
    return SoundLayout("unknown", None, (f"{channels} channels: no ambisonic order has as many",))


def _silent(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (levels < SILENT_DBFS) | (levels < levels.max() - SILENT_BELOW_LOUDEST_DB)


def _name_of(layout: AmbisonicFormat) -> str:
    return next(name for name, known in STATED_LAYOUTS.items() if known == layout)


def _frame_energies(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Return the energy (C, N) of short frames in the band that is looked at."""
    size = max(round(_WINDOW_S * rate), 16)
    if samples.shape[1] < size:
        samples = np.pad(samples, ((0, 0), (0, size - samples.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, :: size // 2]
    spectrum = np.fft.rfft(frames * np.hanning(size), axis=-1)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = (frequencies >= _BAND_HZ[0]) & (frequencies <= _BAND_HZ[1])
    return np.square(np.abs(spectrum[..., band])).sum(axis=-1)
