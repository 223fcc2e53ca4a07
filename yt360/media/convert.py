"""Convert parts of a source to clips.

A clip is a monoscopic equirectangular H.264 file at a constant frame rate and an ambiX FLAC file of
the same duration. The frame at time t is the one that the source displays at t; audio sample i is
at ``i / sample_rate_hz`` from the start of the clip. Files are written under a temporary name in
the same folder and renamed when complete.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yt360.ambisonics.turning import turn_to_front
from yt360.clip_codec.flac import encode_flac
from yt360.clip_codec.format import ClipFormat
from yt360.clip_codec.mp4_index import read_track
from yt360.clip_codec.video_encoder import encode_video
from yt360.errors import BadItem, UserError
from yt360.files import DISK_FULL, temporary_name
from yt360.media.audio.reader import AmbixReader, AudioReader, Samples
from yt360.media.layout.field_correction import FieldCorrection
from yt360.media.source import Source

# Video and audio rarely end at the same time; a missing end of up to this length is filled with the
# last frame or with silence.
END_TOLERANCE_S = 0.25
# Maximum number of clips per FFmpeg run; each needs an encoder in memory.
CLIPS_PER_RUN = 8
# Maximum gap between clips in seconds for which decoding the gap is cheaper than a new run.
_MAX_GAP_S = 10.0
_FULL_SCALE = 32767 / 32768


@dataclass(frozen=True)
class ClipRequest:
    """A clip to convert.

    Attributes:
        start_s: Start time in the source.
        duration_s: Duration; a whole number of frames at the frame rate of the format.
        mp4: Path of the video file.
        flac: Path of the audio file.
        front_deg: Azimuth in degrees of the direction in the source that becomes the front of the
            clip. Frames are shifted by whole pixels without interpolation, so it is rounded to the
            nearest even number of pixels; the audio is turned by the same angle.
    """

    start_s: float
    duration_s: float
    mp4: Path
    flac: Path
    front_deg: float = 0.0

    def shift_px(self, width: int) -> int:
        """Return by how many pixels, in [0, `width`), frames of the clip are shifted right."""
        return 2 * round(self.front_deg / 360 * width / 2) % width


def convert_clips(
    source: Source,
    requests: Sequence[ClipRequest],
    clip_format: ClipFormat,
    *,
    correction: FieldCorrection | None = None,
    threads: int = 1,
    encode_audio: Callable[[np.ndarray, int], bytes] = encode_flac,
) -> Iterator[dict[str, Any]]:
    """Convert clips of one source; nearby clips share one decoding run.

    The bytes of a clip depend neither on the other clips nor on `threads`.

    Args:
        source: From `yt360.media.source.open_source`.
        requests: Clips in temporal order without overlap.
        clip_format: Format of the clips.
        correction: Correction of the gain of W of the whole recording; None to keep it.
        threads: Threads of the video decoder.
        encode_audio: Encodes int16 ambiX (4, S) with a sample rate to FLAC.

    Yields:
        Facts of each conversion as plain JSON values, in order, once its files are complete.

    Raises:
        UserError: Requests are out of order, or a duration is not a whole number of frames.
        BadItem: ``"clip-outside"`` (the source does not cover the clip), ``"too-few-frames"`` or
            ``"not-decodable"``.
        OSError: The disk is full or cannot be written.
    """
    _check(source, requests, clip_format)
    for run in _runs(requests, clip_format.fps):
        with ExitStack() as stack:
            stack.enter_context(_explain_full_disk(run[0].mp4.parent))
            videos = [stack.enter_context(_temporary(request.mp4)) for request in run]
            spans = [(request.start_s, request.duration_s) for request in run]
            shifts = [request.shift_px(clip_format.width) for request in run]
            encode_video(source, spans, clip_format, videos, threads=threads, shifts_px=shifts)
            for request, video in zip(run, videos, strict=True):
                _check_frames(source, request, clip_format, video)
                ambix, recorded_fraction = _read_audio(source, request, clip_format)
                if correction is not None:
                    ambix = correction.apply(ambix, clip_format.sample_rate_hz)
                front_deg = request.shift_px(clip_format.width) / clip_format.width * 360
                if front_deg:
                    ambix = turn_to_front(ambix, front_deg)
                stored, facts = to_int16(ambix)
                with _temporary(request.flac) as audio:
                    audio.write_bytes(encode_audio(stored, clip_format.sample_rate_hz))
                    audio.replace(request.flac)
                video.replace(request.mp4)
                sound: dict[str, Any] = {**facts, "recorded_part": round(recorded_fraction, 4)}
                if correction is not None:
                    sound["field_correction"] = asdict(correction)
                clip = {**asdict(clip_format), "sound": sound}
                if front_deg:
                    clip["front_deg"] = round(front_deg - 360 * (front_deg > 180), 4)
                yield {**source.facts(), "clip": clip}


def to_int16(ambix: Samples) -> tuple[np.ndarray, dict[str, float]]:
    """Round ambiX (4, S) to int16 without clipping.

    Audio beyond full scale is attenuated by the same gain in all channels, because clipping would
    change the level differences that encode direction. Quiet audio is not amplified.

    Returns:
        int16 (4, S), and ``w_level_dbfs`` and ``peak_dbfs`` of the input and the applied
        ``gain_db``.
    """
    peak = float(max(ambix.max(initial=0.0), -ambix.min(initial=0.0)))
    gain = min(1.0, _FULL_SCALE / peak) if peak > 0 else 1.0
    facts = {
        "w_level_dbfs": _decibels(float(np.mean(np.square(ambix[0], dtype=np.float64)))),
        "peak_dbfs": _decibels(peak**2),
        "gain_db": round(20 * math.log10(gain), 2),
    }
    scaled = ambix * np.float32(32768 * np.float32(gain))
    return np.rint(scaled, out=scaled).astype(np.int16), facts


def _decibels(power: float) -> float:
    return round(10 * math.log10(max(power, 1e-20)), 2)


def _check(source: Source, requests: Sequence[ClipRequest], clip_format: ClipFormat) -> None:
    previous_end_s = -math.inf
    for request in requests:
        frames = request.duration_s * clip_format.fps
        if frames < 1 or abs(frames - round(frames)) > 1e-6:
            raise UserError(
                f"a clip of {request.duration_s:g} s has {frames:g} frames at {clip_format.fps} "
                "fps; give a duration with a whole number of frames",
                key="duration_s",
            )
        if request.start_s < previous_end_s - 1e-6:
            raise UserError(
                f"clips must be in order of time without overlap; one at {request.start_s:g} s "
                "is not",
                key="start_s",
            )
        previous_end_s = request.start_s + request.duration_s
        if (
            request.start_s < source.start_s - END_TOLERANCE_S
            or previous_end_s > source.end_s + END_TOLERANCE_S
        ):
            raise BadItem(
                "clip-outside",
                f"{source.video.name}: a clip from {request.start_s:g} to {previous_end_s:g} s, "
                f"but video and audio cover {source.start_s:.2f} to {source.end_s:.2f} s",
            )


def _runs(requests: Sequence[ClipRequest], fps: int) -> Iterator[list[ClipRequest]]:
    """Group nearby requests whose frames lie on the same grid."""
    run: list[ClipRequest] = []
    for request in requests:
        if run:
            offset = (request.start_s - run[0].start_s) * fps
            gap_s = request.start_s - run[-1].start_s - run[-1].duration_s
            same_grid = abs(offset - round(offset)) < 1e-6
            if len(run) == CLIPS_PER_RUN or gap_s > _MAX_GAP_S or not same_grid:
                yield run
                run = []
        run.append(request)
    if run:
        yield run


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    """Provide a temporary path next to `final`; remove a file that remains there at the end."""
    path = temporary_name(final)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _explain_full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        message = "no space left on this disk; free some and run the same command again"
        raise OSError(error.errno, message, str(folder)) from error


def _check_frames(
    source: Source, request: ClipRequest, clip_format: ClipFormat, video: Path
) -> None:
    try:
        frames = len(read_track(memoryview(video.read_bytes())))
    except BadItem:
        frames = 0
    wanted = round(request.duration_s * clip_format.fps)
    if frames != wanted:
        raise BadItem(
            "too-few-frames",
            f"{source.video.name}: {frames} frames at {request.start_s:g} s, {wanted} are needed",
        )


def _read_audio(
    source: Source, request: ClipRequest, clip_format: ClipFormat
) -> tuple[Samples, float]:
    layout = source.audio_stream.layout.format
    assert layout is not None
    rate = clip_format.sample_rate_hz
    # Use one reader per clip, because decoder output may depend on where decoding started.
    with AudioReader(source.audio, source.audio_stream.position) as reader:
        ambix, recorded_fraction = AmbixReader(reader, layout, rate).read(
            round(request.start_s * rate), round(request.duration_s * rate)
        )
    missing_s = (1 - recorded_fraction) * request.duration_s
    if missing_s > END_TOLERANCE_S:
        raise BadItem(
            "sound-missing",
            f"{source.audio.name}: no audio in {missing_s:.2f} s of the clip at "
            f"{request.start_s:g} s",
        )
    return ambix, recorded_fraction
