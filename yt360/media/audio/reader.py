"""Read audio by presentation time, without mixing or reordering channels.

Samples are placed by their presentation timestamps, to which FFmpeg applies edit lists, start
offsets and encoder delay. Sample i of a reader is played at ``i / sample_rate_hz`` seconds; gaps
between packets are silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import gcd
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av.error
import numpy as np
import soxr
from numpy.typing import NDArray

from yt360.ambisonics.formats import AmbisonicFormat, to_ambix
from yt360.errors import BadItem
from yt360.media.audio.frames import Samples, implausible, samples_of, take_layout
from yt360.media.containers.opening import open_media, time_origin_s

if TYPE_CHECKING:
    from av import AudioFrame

# Decoders need a pre-roll before the first valid sample: one frame for AAC, 80 ms for Opus.
_PREROLL_S = 0.5
# Maximum gap in seconds for which decoding costs less than seeking.
_MAX_DECODED_GAP_S = 5.0
# Minimum length of a gap in seconds; shorter differences are rounding of timestamps.
_JITTER_S = 0.005
# Maximum valid amplitude: 120 dB over full scale.
_MAX_AMPLITUDE = 1e6
# Upper bound in seconds of each side of the resampler's impulse response.
_RESAMPLER_MARGIN_S = 0.1


def is_valid_audio(samples: Samples) -> NDArray[np.bool_]:
    """Return a mask of the samples that are finite and at most 120 dB over full scale."""
    return np.abs(samples) <= _MAX_AMPLITUDE


def are_all_valid(samples: Samples) -> bool:
    """Return whether every sample is valid (`is_valid_audio`), without a copy of the samples."""
    # The maximum and the minimum of samples with a NaN are NaN, which no comparison holds for.
    loudest = samples.max(initial=0.0), -samples.min(initial=0.0)
    return bool(loudest[0] <= _MAX_AMPLITUDE and loudest[1] <= _MAX_AMPLITUDE)


class AudioReader:
    """Random access to one audio stream by sample index. Use as a context manager.

    Args:
        path: Media file with audio.
        stream: Index among the audio streams of the file.

    Attributes:
        sample_rate_hz: Stored sample rate.
        channels: Number of stored channels.
        name: Name of the file.
        damaged_packets: Number of undecodable packets so far, which are replaced by silence.

    Raises:
        BadItem: ``"no-audio"``, or the reasons of `open_media`.
    """

    def __init__(self, path: Path, stream: int = 0) -> None:
        self._opened = open_media(path)
        self._container = self._opened.__enter__()
        self.name = path.name
        streams = self._container.streams.audio
        opened = [each for each in streams[stream : stream + 1] if each.codec_context]
        for each in opened:
            take_layout(each.codec_context)
        if not opened or implausible(opened[0].channels, opened[0].rate):
            self._opened.__exit__(None, None, None)
            raise BadItem("no-audio", f"{path.name} has no audio stream that can be decoded")
        self._stream = opened[0]
        self.sample_rate_hz = self._stream.rate
        self.channels = self._stream.channels
        self.damaged_packets = 0
        self._origin_s = time_origin_s(self._container)
        self._frames = self._decode()
        self._chunks: deque[tuple[int, Samples]] = deque()
        self._end: int | None = None

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The generator refers to this reader: without it, memory is released at once.
        self._frames = iter(())
        self._chunks.clear()
        self._opened.__exit__(kind, error, trace)

    def read(self, start: int, count: int) -> tuple[Samples, int]:
        """Read samples [start, start + count) of the presentation.

        Args:
            start: First sample; may be negative.
            count: Number of samples.

        Returns:
            Samples (C, count), with silence in gaps, and the number of recorded samples.
        """
        samples = np.zeros((self.channels, count), np.float32)
        recorded = np.zeros(count, bool)
        for first, part in self._parts(start, count):
            place = slice(first - start, first - start + part.shape[1])
            samples[:, place] = part
            recorded[place] = True
        return samples, int(recorded.sum())

    def count_recorded(self, start: int, count: int) -> int:
        """Return how many of the samples [start, start + count) are recorded."""
        recorded = np.zeros(count, bool)
        for first, part in self._parts(start, count):
            recorded[first - start : first - start + part.shape[1]] = True
        return int(recorded.sum())

    def _parts(self, start: int, count: int) -> Iterator[tuple[int, Samples]]:
        """Yield the recorded parts of [start, start + count): (first sample, samples)."""
        self._go_to(start)
        while self._end is None or self._end < start + count:
            chunk = next(self._frames, None)
            if chunk is None:
                break
            self._chunks.append(chunk)
            self._end = chunk[0] + chunk[1].shape[1]
        for position, samples in self._chunks:
            first = max(position, start)
            last = min(position + samples.shape[1], start + count)
            if first < last:
                yield first, samples[:, first - position : last - position]

    def _go_to(self, start: int) -> None:
        """Seek so that the buffer starts at or before `start`, or at the first sample after it."""
        while self._chunks and self._chunks[0][0] + self._chunks[0][1].shape[1] <= start:
            self._chunks.popleft()
        position = self._chunks[0][0] if self._chunks else self._end
        at_start = self._end is None and start < _MAX_DECODED_GAP_S * self.sample_rate_hz
        near = position is not None and position <= start
        if at_start or (
            near and start - (position or 0) < _MAX_DECODED_GAP_S * self.sample_rate_hz
        ):
            return
        self._chunks.clear()
        self._end = None
        time_s = max(start / self.sample_rate_hz - _PREROLL_S, 0.0) + self._origin_s
        self._seek(time_s)
        self._frames = self._decode()

    def _seek(self, time_s: float) -> None:
        time_base = self._stream.time_base
        assert time_base is not None
        try:
            self._container.seek(int(time_s / time_base), stream=self._stream)
        except av.error.FFmpegError:
            # Some files are not seekable; reading them from the beginning is slow but correct.
            self._container.seek(0)

    def _decode(self) -> Iterator[tuple[int, Samples]]:
        """Yield (first sample, samples) in temporal order; skip damaged packets."""
        end: int | None = None
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.damaged_packets += 1
                continue
            for frame in frames:
                samples = self._checked(frame)
                position = end if end is not None else 0
                time_s = frame.time  # the timestamp without the cost of a Fraction
                if time_s is not None:
                    stamped = round((time_s - self._origin_s) * self.sample_rate_hz)
                    if end is None or abs(stamped - end) > _JITTER_S * self.sample_rate_hz:
                        position = stamped
                end = position + samples.shape[1]
                yield position, samples

    def _checked(self, frame: AudioFrame) -> Samples:
        samples = samples_of(frame)
        if frame.sample_rate != self.sample_rate_hz or samples.shape[0] != self.channels:
            raise BadItem(
                "sound-format-changes",
                f"{self.name}: the audio changes from {self.channels} channels at "
                f"{self.sample_rate_hz} Hz to {samples.shape[0]} at {frame.sample_rate} Hz",
            )
        return samples


class AmbixReader:
    """Reads an audio stream as ambiX at a given sample rate.

    Output samples lie on one grid that starts at time 0, so adjacent ranges join exactly.

    Args:
        reader: Reader of the stored audio.
        stored_format: Mapping of the stored channels to ambiX.
        sample_rate_hz: Sample rate of the output.
    """

    def __init__(
        self, reader: AudioReader, stored_format: AmbisonicFormat, sample_rate_hz: int
    ) -> None:
        self._reader = reader
        self._format = stored_format
        self.sample_rate_hz = sample_rate_hz

    def read(self, start: int, count: int) -> tuple[Samples, float]:
        """Read output samples [start, start + count).

        Returns:
            ambiX (4, count), not clipped, and the recorded fraction of the range, in [0, 1].

        Raises:
            BadItem: ``"bad-samples"``: a sample is invalid (`is_valid_audio`).
        """
        stored_rate, rate = self._reader.sample_rate_hz, self.sample_rate_hz
        common = gcd(stored_rate, rate)
        stored_step, step = stored_rate // common, rate // common
        margin = round(_RESAMPLER_MARGIN_S * rate)
        # Start at a time that is on both the input and the output grid.
        first_step = (start - margin) // step
        last_step = -((start + count + margin) // -step)
        stored, _ = self._reader.read(
            first_step * stored_step, (last_step - first_step) * stored_step
        )
        if not are_all_valid(stored):
            good = is_valid_audio(stored)
            origin = first_step * stored_step
            first, last = start * stored_rate // rate, -((start + count) * stored_rate // -rate)
            if not good[:, first - origin : last - origin].all():
                raise BadItem(
                    "bad-samples",
                    f"{self._reader.name}: the audio from {start / rate:.2f} s to "
                    f"{(start + count) / rate:.2f} s contains NaN, infinity or values "
                    "beyond any level",
                )
            stored = np.where(good, stored, np.float32(0))  # only outside the range
        ambix = to_ambix(stored, self._format)
        del stored  # of a clip of 10 s, 11 MB
        if stored_rate != rate:
            ambix = soxr.resample(ambix.T, stored_rate, rate, quality="VHQ").T
        skip = start - first_step * step
        result = np.zeros((4, count), np.float32)
        part = ambix[:, skip : skip + count]
        result[:, : part.shape[1]] = part
        stored_start = start * stored_rate // rate
        stored_count = max(count * stored_rate // rate, 1)
        recorded = self._reader.count_recorded(stored_start, stored_count)
        return result, recorded / stored_count
