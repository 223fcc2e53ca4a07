"""Every threshold of the quality tests, with where it comes from.

"Chosen" means: chosen with ``tools/quality_report.py --tune`` on made material, on other seeds
than the published figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SpatialAudioThresholds:
    """For `yt360.quality.spatial_audio`; ratios are (X²+Y²+Z²)/W² in decibels."""

    # SN3D: equation of a plane wave; FuMa: W is stored 3 dB down; N3D: X, Y, Z by sqrt(3).
    sn3d_db: float = 0.0
    fuma_db: float = 3.01
    n3d_db: float = 4.77
    # Halfway between SN3D and FuMa.
    tolerance_db: float = 1.5
    # Chosen: true fields reach 0.85 and more, loudspeaker mixes stay below 0.65.
    least_agreement: float = 0.76
    agreement_softness: float = 0.08
    # Chosen: what must remain of the field beside sound laid over it.
    least_field_share: float = 0.12
    # FuMa and N3D under sound that was laid over them are too rare to look for.
    least_converted_share: float = 0.6
    # 9 dB below a field: the loudest stereo bed keeps more, W with a microphone's hiss less.
    w_only_db: float = -9.0
    # Copies after coding at 192 kb/s reach 0.96; a field with two sources stays below 0.9.
    copied_coherence: float = 0.95
    copied_gain_db: float = 3.0
    # Below 1.2 kHz coders do not share one waveform among channels.
    copied_bands: int = 3
    # Chosen: a permuted field keeps the ratio in at least this part of the tiles.
    other_order_share: float = 0.62
    other_order_margin: float = 0.02
    w_silent_db: float = -40.0
    # Chosen: part of the directional power that one channel holds in two-channel sound.
    one_axis_share: float = 0.97
    # An axis with a field on it: a lone source exactly left, above or ahead.
    one_axis_field_share: float = 0.9
    # Quieter than this below W, the axis is coding noise.
    one_axis_least_db: float = -25.0
    # Below it, coding noise; 25 dB is what AAC at 32 kb/s a channel keeps.
    active_range_db: float = 25.0
    silent_dbfs: float = -85.0
    # Averages over fewer frequencies depend on single reflections.
    least_width: float = 3.0
    least_tiles: float = 12.0
    # Two hours in steps of a quarter second are thinned twice.
    most_tiles: int = 8192


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The thresholds of all tests."""

    spatial_audio: SpatialAudioThresholds = field(default_factory=SpatialAudioThresholds)


DEFAULTS = Thresholds()
