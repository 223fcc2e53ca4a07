"""Converting stretches of a source into the clips that shards hold.

A clip is a mono equirectangular H.264 file at a constant rate and an ambiX FLAC file of the same
length. The picture at time t is the frame that the source shows at t; sound sample i is heard at
``i / sample_rate_hz`` after the clip's start. Both files are written under a temporary name beside
the final one and renamed when whole.

The stored picture is made to be entered anywhere: no B-frames, closed groups of a few pictures, no
CABAC and no deblocking (x264's ``fastdecode``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yt360.clip_codec.flac import encode_flac
from yt360.clip_codec.format import ClipFormat
from yt360.clip_codec.video_encoder import encode_video
from yt360.errors import BadItem, UserError
from yt360.files import DISK_FULL, temporary_name
from yt360.media.audio import AmbixReader, Samples, SoundReader
from yt360.media.containers.opening import open_media
from yt360.media.source import Source

__all__ = ["ClipFormat", "ClipRequest", "convert_clip", "convert_clips"]

# Ends of picture and sound seldom agree to the frame; this much is filled up (with the nearest
# frame, with silence) rather than refused.
END_TOLERANCE_S = 0.25
# One FFmpeg run holds an encoder for each of its clips; more would cost memory and win little.
CLIPS_PER_RUN = 8
# Decoding on over a gap between clips is cheaper than a new run up to about this length.
_LONGEST_GAP_S = 10.0
_FULL_SCALE = 32767 / 32768


@dataclass(frozen=True)
class ClipRequest:
    """One clip to be made.

    Attributes:
        start_s: Where it starts in the source.
        duration_s: Its length; a whole number of frames at the format's rate.
        mp4: Final name of the picture.
        flac: Final name of the sound.
    """

    start_s: float
    duration_s: float
    mp4: Path
    flac: Path


def convert_clip(
    source: Source, request: ClipRequest, form: ClipFormat, *, threads: int = 1
) -> dict[str, Any]:
    """Convert one clip; see `convert_clips`."""
    return next(convert_clips(source, [request], form, threads=threads))


def convert_clips(
    source: Source, requests: Sequence[ClipRequest], form: ClipFormat, *, threads: int = 1
) -> Iterator[dict[str, Any]]:
    """Convert clips of one source, decoding what neighbours share only once.

    The files have the same bytes as if each clip had been converted alone, and do not depend on
    `threads`.

    Args:
        source: From `yt360.media.source.open_source`.
        requests: Clips in order of time that do not overlap.
        form: How clips are stored.
        threads: Threads of the video decoder.

    Yields:
        For each request, in order, when its files stand under their final names: what was done, as
        plain JSON values.

    Raises:
        UserError: Requests out of order, or a duration that is no whole number of frames.
        BadItem: ``"clip-outside"`` (the source does not cover the clip), ``"too-few-frames"`` or
            ``"not-decodable"``.
        OSError: The disk is full or cannot be written.
    """
    _check(source, requests, form)
    for run in _runs(requests, form.fps):
        with ExitStack() as stack:
            stack.enter_context(_naming_the_full_disk(run[0].mp4.parent))
            pictures = [stack.enter_context(_temporary(request.mp4)) for request in run]
            spans = [(request.start_s, request.duration_s) for request in run]
            encode_video(source, spans, form, pictures, threads=threads)
            for request, picture in zip(run, pictures, strict=True):
                _check_frames(source, request, form, picture)
                ambix, recorded_part = _read_sound(source, request, form)
                stored, sound_facts = to_int16(ambix)
                with _temporary(request.flac) as sound:
                    sound.write_bytes(encode_flac(stored, form.sample_rate_hz))
                    sound.replace(request.flac)
                picture.replace(request.mp4)
                sound_facts["recorded_part"] = round(recorded_part, 4)
                yield {**source.facts(), "clip": {**asdict(form), "sound": sound_facts}}


def to_int16(ambix: Samples) -> tuple[np.ndarray, dict[str, float]]:
    """Round ambiX (4, S) to int16 without clipping.

    Sound beyond full scale is lowered, all channels by one factor: clipping would bend the levels
    between channels, which carry the direction. Quiet sound stays as it is.

    Returns:
        int16 (4, S); and ``w_level_dbfs`` and ``peak_dbfs`` before, ``gain_db`` applied.
    """
    peak = float(np.abs(ambix).max(initial=0.0))
    gain = min(1.0, _FULL_SCALE / peak) if peak > 0 else 1.0
    facts = {
        "w_level_dbfs": _decibels(float(np.mean(np.square(ambix[0], dtype=np.float64)))),
        "peak_dbfs": _decibels(peak**2),
        "gain_db": round(20 * math.log10(gain), 2),
    }
    return np.round(ambix * np.float32(gain) * np.float32(32768)).astype(np.int16), facts


def _decibels(power: float) -> float:
    return round(10 * math.log10(max(power, 1e-20)), 2)


def _check(source: Source, requests: Sequence[ClipRequest], form: ClipFormat) -> None:
    previous_end_s = -math.inf
    for request in requests:
        frames = request.duration_s * form.fps
        if frames < 1 or abs(frames - round(frames)) > 1e-6:
            raise UserError(
                f"a clip of {request.duration_s:g} s has {frames:g} frames at {form.fps} fps; "
                "give a duration with a whole number of frames"
            )
        if request.start_s < previous_end_s - 1e-6:
            raise UserError(f"clips must follow each other; one at {request.start_s:g} s does not")
        previous_end_s = request.start_s + request.duration_s
        if (
            request.start_s < source.start_s - END_TOLERANCE_S
            or previous_end_s > source.end_s + END_TOLERANCE_S
        ):
            raise BadItem(
                "clip-outside",
                f"{source.video.name}: a clip from {request.start_s:g} to {previous_end_s:g} s, "
                f"but picture and sound last from {source.start_s:.2f} to {source.end_s:.2f} s",
            )


def _runs(requests: Sequence[ClipRequest], fps: int) -> Iterator[list[ClipRequest]]:
    """Group neighbours whose frames lie on one grid."""
    run: list[ClipRequest] = []
    for request in requests:
        if run:
            offset = (request.start_s - run[0].start_s) * fps
            gap_s = request.start_s - run[-1].start_s - run[-1].duration_s
            same_grid = abs(offset - round(offset)) < 1e-6
            if len(run) == CLIPS_PER_RUN or gap_s > _LONGEST_GAP_S or not same_grid:
                yield run
                run = []
        run.append(request)
    if run:
        yield run


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    """Give a temporary name beside `final`; whatever is left under it at the end is removed."""
    path = temporary_name(final)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _naming_the_full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        message = "no space left on this disk; free some and run the same command again"
        raise OSError(error.errno, message, str(folder)) from error


def _check_frames(source: Source, request: ClipRequest, form: ClipFormat, picture: Path) -> None:
    with open_media(picture) as container:
        frames = container.streams.video[0].frames if container.streams.video else 0
    wanted = round(request.duration_s * form.fps)
    if frames != wanted:
        raise BadItem(
            "too-few-frames",
            f"{source.video.name}: {frames} frames at {request.start_s:g} s, {wanted} are needed",
        )


def _read_sound(source: Source, request: ClipRequest, form: ClipFormat) -> tuple[Samples, float]:
    layout = source.sound_stream.layout.format
    assert layout is not None
    rate = form.sample_rate_hz
    # A reader of its own for each clip: what a decoder gives may depend on where it began.
    with SoundReader(source.sound, source.sound_stream.position) as reader:
        ambix, part = AmbixReader(reader, layout, rate).read(
            round(request.start_s * rate), round(request.duration_s * rate)
        )
    missing_s = (1 - part) * request.duration_s
    if missing_s > END_TOLERANCE_S:
        raise BadItem(
            "sound-missing",
            f"{source.sound.name}: no sound in {missing_s:.2f} s of the clip at "
            f"{request.start_s:g} s",
        )
    return ambix, part
