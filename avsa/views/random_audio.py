"""Random windows of the audio of a split."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import groupby

from torch import Tensor

from avsa.data.clip_window import draw_clip_windows, too_short
from avsa.data.clips import ClipsInOrder, clips_form, read_in_order
from avsa.data.decoder_pool import DECODERS
from avsa.data.decoder_process import ClipTask, Source
from avsa.data.loader import DataConfig
from avsa.data.raw import Buffer
from avsa.data.training_order import SamplingConfig, TrainingOrder
from yt360.devices import cores_per_process
from yt360.errors import BadItem
from yt360.shards.format.reader import ShardReader
from yt360.terminal.progress import Progress

# Windows that are decoded at once.
_AT_ONCE = 32


def random_audio(clips: ShardReader, samples: int, seed: int) -> Generator[Tensor]:
    """Yield int16 (4, S) of random windows of random clips; report and skip unreadable clips.

    The windows are the same wherever the shards are. Those of remote shards come shard by shard, so
    that each shard is fetched once.

    Args:
        clips: The split.
        samples: Number of windows; each has the default duration of `DataConfig`.
        seed: Seed of the clips and of their windows.

    Yields:
        The audio of a window; it is overwritten later.
    """
    order = TrainingOrder(clips.video_ids, 1, seed, SamplingConfig(unit="clip"))
    chosen = [order.batch(step)[0].clip for step in range(samples)]
    shape = DataConfig().window_shape(clips_form(clips.info))
    windows = draw_clip_windows(
        shape, clips.durations_s[chosen], 1, 0.0, seed, "stats", positions=range(samples)
    )
    tasks = [
        ClipTask(location, 0, (), window)
        for location, window in zip(clips.locate(chosen), windows.samples.tolist(), strict=True)
    ]
    source = Source.of_folder(clips.dataset, keep_open=clips.shards_stay)
    buffer = Buffer.of_shapes((0, 0, 0, 0), (0, 2, 0, 0, 0), (_AT_ONCE, 4, shape.num_samples))
    groups = _groups(clips, chosen)

    def clips_of_step(step: int) -> list[int]:
        return [chosen[number] for number in groups[step]] if step < len(groups) else []

    with (
        closing(read_in_order(clips, clips_of_step, 0)) as in_order,
        Progress("measuring audio", samples, "samples") as progress,
    ):
        for step, group in enumerate(groups):
            in_order.advance_to(step)
            of_group = [tasks[number]._replace(row=row) for row, number in enumerate(group)]
            errors = _decode(source, of_group, buffer, in_order, chosen[group[0]])
            for number, error, audio in zip(group, errors, buffer.audio[: len(group)], strict=True):
                clip = chosen[number]
                if not windows.fits[number]:
                    error = too_short(clips.durations_s[clip], 1, 0.0)
                if error is not None:
                    progress.note(f"clip {clips.keys[clip]} cannot be read: {error}")
                    continue
                yield audio
                progress.advance()


def _groups(clips: ShardReader, chosen: Sequence[int]) -> list[Sequence[int]]:
    """Return the numbers, in the list, of the clips that are decoded at once."""
    numbers: list[Sequence[int]] = [range(len(chosen))]
    if not clips.shards_stay:

        def shard(number: int) -> int:
            return int(clips.shard_numbers[chosen[number]])

        numbers = [list(group) for _, group in groupby(sorted(numbers[0], key=shard), shard)]
    return [
        each[first : first + _AT_ONCE]
        for each in numbers
        for first in range(0, len(each), _AT_ONCE)
    ]


def _decode(
    source: Source, tasks: Sequence[ClipTask], buffer: Buffer, clips: ClipsInOrder, clip: int
) -> list[BadItem | None]:
    """Decode windows whose shards are present with that of `clip`; return the errors."""
    try:
        with clips.present(clip):
            return DECODERS.decode(source, tasks, buffer, cores_per_process())
    except BadItem as error:
        return [error] * len(tasks)
