"""Detect the ambisonic channels of an audio stream, and verify them with its samples.

A layout that the user, a catalog or the container declares is accepted; otherwise it is guessed
(`yt360.media.layout.guess`). In both cases the samples are checked for contradictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log10

from yt360.ambisonics.formats import AMBIX, HEAD_LOCKED, YOUTUBE_5_1, sa3d_format
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.media.containers.spherical import SA3D
from yt360.media.layout.audio_layout import STATED_LAYOUTS, AudioLayout
from yt360.media.layout.field_statistics import Samples, field_shape, silent_channels
from yt360.media.layout.guess import guess_layout
from yt360.media.layout.warnings import LayoutWarning, layout_warnings


def detect_layout(
    pieces: Sequence[Samples],
    sample_rate_hz: int,
    *,
    codec: str = "",
    declared: str = "",
    sa3d: SA3D | None = None,
    stated: str | None = None,
) -> AudioLayout:
    """Detect the layout of the channels of an audio stream.

    Args:
        pieces: Excerpts (C, S) of the decoded audio in the decoder's channel order; at least one,
            which may be empty (C, 0).
        sample_rate_hz: Sample rate.
        codec: FFmpeg's codec name.
        declared: FFmpeg's name of the container's layout, such as ``"5.1"`` or ``"ambisonic 1"``.
        sa3d: SA3D box of the stream, if present.
        stated: Layout that the user or a catalog states. It takes precedence over the box, the box
            over the declared name, and the name over a guess.

    Raises:
        UserError: `stated` is not one of `STATED_LAYOUTS`.
        BadItem: `stated` or `sa3d` does not fit the number of channels.
    """
    layout = _declared_layout(pieces[0].shape[0], declared, sa3d, stated)
    if layout is None:
        layout = guess_layout(pieces, sample_rate_hz, codec, declared)
    found = _contradictions(pieces, sample_rate_hz, layout)
    return replace(layout, warnings=(*layout.warnings, *found))


def _declared_layout(
    channels: int, declared: str, sa3d: SA3D | None, stated: str | None
) -> AudioLayout | None:
    if stated is not None:
        return _from_statement(stated, channels)
    if sa3d is not None:
        return _from_sa3d(sa3d, channels)
    if declared.startswith("ambisonic") and channels in (4, 6):
        evidence = (f"the container declares {declared!r}",)
        if channels == 4:
            return AudioLayout("ambix", AMBIX, evidence)
        return AudioLayout("head-locked", HEAD_LOCKED, evidence)
    return None


def _contradictions(
    pieces: Sequence[Samples], rate: int, layout: AudioLayout
) -> tuple[LayoutWarning, ...]:
    if layout.format is None:
        return ()
    channels = layout.format.channels
    silent = silent_channels([piece[list(channels)] for piece in pieces])
    if silent[0]:
        return (LayoutWarning("silent-w", "channel W is silent"),)
    shape = field_shape(pieces, rate, channels)
    if shape is None:
        return ()
    any_order = channels != YOUTUBE_5_1.channels
    w, *_, x = layout.format.gains
    expected_db = 20 * log10(w / x)  # (X² + Y² + Z²) / W² before conversion to ambiX
    return tuple(layout_warnings(shape, expected_db, any_order=any_order))


def _from_statement(stated: str, channels: int) -> AudioLayout:
    layout = {str(name): known for name, known in STATED_LAYOUTS.items()}.get(stated)
    if layout is None:
        raise UserError(
            f"unknown audio layout {stated!r}{did_you_mean(stated, STATED_LAYOUTS)}",
            code="unknown-name",
            key="audio_layout",
        )
    needed = max(layout.channels) + 1
    if channels < needed:
        raise BadItem(
            "channel-count", f"layout {stated} needs {needed} channels; the audio has {channels}"
        )
    name = next(name for name, known in STATED_LAYOUTS.items() if known == layout)
    return AudioLayout(name, layout, (f"stated: {stated}",))


def _from_sa3d(sa3d: SA3D, channels: int) -> AudioLayout:
    if len(sa3d.channel_map) != channels:
        raise BadItem(
            "sa3d", f"the SA3D box maps {len(sa3d.channel_map)} channels; the audio has {channels}"
        )
    layout = sa3d_format(sa3d.order, sa3d.ordering, sa3d.normalization, sa3d.channel_map)
    evidence = (
        f"SA3D box: order {sa3d.order}, {sa3d.ordering} {sa3d.normalization}, "
        f"channel map {list(sa3d.channel_map)}"
    )
    return AudioLayout("n3d" if sa3d.normalization == "n3d" else "ambix", layout, (evidence,))
