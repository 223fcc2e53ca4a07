"""The order in which a head is trained on the clips of a dataset."""

from __future__ import annotations

from avsa.data.training_order import SamplingConfig, TrainingOrder, count_videos
from yt360.shards.format.reader import ShardReader


def training_order(
    clips: ShardReader, batch_size: int, draws_per_video: int | None, seed: int
) -> TrainingOrder:
    """Return the order of training.

    Args:
        clips: The split.
        batch_size: Clips of a batch, all of different videos. If there are fewer videos, a batch
            has the largest power of two that they fill, which ranks can share.
        draws_per_video: Draws of each video in an epoch; None: floor(clips / videos).
        seed: Seed of the order.
    """
    videos = count_videos(clips.video_ids)
    size = batch_size if videos >= batch_size else 1 << (videos.bit_length() - 1)
    sampling = SamplingConfig(draws_per_video=draws_per_video or len(clips) // videos)
    return TrainingOrder(clips.video_ids, size, seed, sampling)


def small_batch_notes(clips: ShardReader, batch_size: int, order: TrainingOrder) -> tuple[str, ...]:
    """Return the note on batches that are smaller than `batch_size`, which was asked for."""
    if order.batch_size == batch_size:
        return ()
    return (
        f"The split {clips.split} has only {count_videos(clips.video_ids)} videos: a batch has "
        f"{order.batch_size} clips instead of {batch_size}.",
    )
