"""Every threshold of the quality tests, with where it comes from.

"Chosen" means: chosen with ``tools/quality/report.py --tune`` on made material, on other seeds
than the published figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from yt360.clips import DEFAULT_CLIP_S


@dataclass(frozen=True, kw_only=True)
class SpatialAudioThresholds:
    """For `yt360.quality.checks.spatial_audio`; ratios are (X²+Y²+Z²)/W² in decibels."""

    # SN3D: equation of a plane wave; FuMa: W is stored 3 dB down; N3D: X, Y, Z by sqrt(3).
    sn3d_db: float = 0.0
    fuma_db: float = 3.01
    n3d_db: float = 4.77
    # Halfway between SN3D and FuMa.
    tolerance_db: float = 1.5
    # Chosen: true fields reach 0.79 and more (0.71 under loud stereo), loudspeaker mixes of more
    # than two sources stay below 0.65.
    least_agreement: float = 0.71
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
    # An axis with a field on it: a lone source exactly left, above or ahead. A recording of a
    # beach, with the sea on one side, has 0.985.
    lone_axis_share: float = 0.995
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
class StillThresholds:
    """For `yt360.quality.checks.still_image`; luma in [0, 255], areas as fractions."""

    # H.264 at the bit rates of 360p changes a still block by less than 0.7 within half a second
    # and by less than 1 across key frames (measured on the calibration clip).
    short_levels: float = 1.5
    long_levels: float = 2.5
    # Coders follow a fade, a change of the mean by this much, in steps.
    light_levels: float = 1.0
    relit_levels: float = 6.0
    # A fade of two seconds changes the mean by twice this; coders lose details in it.
    fade_levels: float = 10.0
    # Chosen: what moves makes some blocks brighter and others darker, light does one of them.
    light_agreement: float = 0.97
    long_relit_levels: float = 7.0
    # An edge that is placed a quarter of a pixel wrong differs by this part of its slope.
    texture_part: float = 0.25
    exact_levels: float = 0.35
    # Chosen: musicians in a hall move in 2 % of the picture, coding noise in less than 0.1 %.
    moving_area: float = 0.002
    slow_area: float = 0.03
    # Chosen: undoing a slow zoom or turn of a photo leaves 0.2 %, things that move leave more.
    unexplained_area: float = 0.003
    unexplained_part: float = 0.02
    # Chosen: smaller changes are looked at as motion, larger ones may be a dissolve or a cut.
    dissolve_area: float = 0.05
    dissolve_bend: float = 0.5
    cut_part: float = 0.1
    cut_area: float = 0.35
    # A window of a quarter of the height and width holds all changes; see `still`.
    overlay_share: float = 0.95
    overlay_area: float = 0.06
    # Coders wipe the noise of a camera at rest up to 0.996.
    overlay_unchanged: float = 0.999
    overlay_doubt: float = 0.043
    # Chosen: quiet landscapes are still for most, never for nearly all of their time.
    still_share: float = 0.775
    still_softness: float = 0.05
    most_skipped: float = 0.6
    least_probes: int = 3
    most_probes: int = 8192


@dataclass(frozen=True, kw_only=True)
class PictureThresholds:
    """For `yt360.quality.checks.video`; levels are of luma in [0, 255]."""

    # Black of limited range is 16; a starry sky has more contrast.
    black_luma: float = 32.0
    blank_contrast: float = 10.0
    # A title and an end of a few seconds are common.
    blank_share: float = 0.25
    blank_softness: float = 0.08
    # The same as for pairs of pictures some seconds apart in `StillThresholds`.
    frozen_levels: float = 2.5
    frozen_texture_part: float = 0.25
    frozen_area: float = 0.002
    # A clip is 10 s long: less than one clip is lost below this.
    frozen_s: float = 6.0
    frozen_share: float = 0.2
    least_probes: int = 2
    most_probes: int = 8192


@dataclass(frozen=True, kw_only=True)
class SilenceThresholds:
    """For `yt360.quality.checks.silence`; W in dB relative to a full-scale square wave."""

    # A quiet recording of a beach has -39; hiss and dither of empty tracks lie below -65.
    open_dbfs: float = -55.0
    close_dbfs: float = -60.0
    clip_s: float = DEFAULT_CLIP_S
    # A video without one sounding clip in ten gives next to nothing.
    silent_share: float = 0.9
    silent_softness: float = 0.05


@dataclass(frozen=True, kw_only=True)
class ClippingThresholds:
    """For `yt360.quality.checks.clipping`; sizes of samples, full scale at 1."""

    sounding: float = 1e-3
    # -0.3 and -1.4 dBFS: the pile, smeared by coding, and what lies just below it.
    top_from: float = 0.965
    below_from: float = 0.85
    # Chosen: what was cut off for 0.2 % of the time keeps 0.03 % after coding, and a pile of 0.08;
    # intact sound has next to nothing of either.
    clipped_share: float = 1.5e-4
    pile: float = 0.05


@dataclass(frozen=True, kw_only=True)
class DurationThresholds:
    """For `yt360.quality.checks.duration`."""

    # The trainer's sample is half a second of picture.
    allowed_s: float = 0.5
    # Long videos drift by their rounded frame rates.
    allowed_part: float = 0.001


@dataclass(frozen=True, kw_only=True)
class PostProductionThresholds:
    """For `yt360.quality.checks.post_production`; ratios are (X²+Y²+Z²)/W² in decibels."""

    # Chosen: true fields keep at most 1.4 % of their half seconds below this, a narrator for a
    # third of the time at the level of the scene makes it 7 % and more.
    excess_db: float = 4.0
    excess_share: float = 0.032
    excess_softness: float = 0.012
    # Real recordings lie up to 1.5 dB below the ideal ratio as a whole.
    least_field_db: float = -1.5
    # Stereo in W and Y leaves X and Z as they were; a voice in W leaves all three.
    lateral_share: float = 0.6
    # Smaller turns are within the error of directions in reverberant rooms.
    least_turn: float = 0.35
    least_turns: float = 6.0
    least_directed: float = 0.1
    direction_window_s: float = 1.0
    # Who holds the camera turns with it too, see `postproduction`.
    fixed_certainty: float = 0.75
    # Names of AudioSet's ontology that mean sound from a studio.
    tags: tuple[str, ...] = (
        "Background music", "Theme music", "Jingle (music)", "Soundtrack music", "Video game music",
        "Narration, monologue",
    )  # fmt: skip
    tag_certainty: float = 0.7
    active_range_db: float = 25.0
    silent_dbfs: float = -85.0
    least_width: float = 3.0
    least_tiles: float = 6.0
    most_tiles: int = 8192
    most_probes: int = 8192


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The thresholds of all tests."""

    spatial_audio: SpatialAudioThresholds = field(default_factory=SpatialAudioThresholds)
    still: StillThresholds = field(default_factory=StillThresholds)
    picture: PictureThresholds = field(default_factory=PictureThresholds)
    silence: SilenceThresholds = field(default_factory=SilenceThresholds)
    clipping: ClippingThresholds = field(default_factory=ClippingThresholds)
    duration: DurationThresholds = field(default_factory=DurationThresholds)
    post_production: PostProductionThresholds = field(default_factory=PostProductionThresholds)


DEFAULTS = Thresholds()
