"""One run of a build, under the dataset's lock: analyze, convert, write shards, list them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yt360.clips import key_order
from yt360.duplicates.groups import Groups, find_groups, folder_of_dataset, merge
from yt360.execution.local import Crashed, Pool
from yt360.media.layout.field_correction import FieldCorrection
from yt360.media.layout.warnings import LayoutWarning
from yt360.shards.bucket.publisher import InPlace, Publisher
from yt360.shards.builder.clip_conversion import ConversionTask, stage_clips
from yt360.shards.builder.existing_dataset import (
    inputs_to_do,
    load_table,
    open_output,
    packed_starts,
    remove_leftovers,
)
from yt360.shards.builder.gain_corrections import correction_of_video
from yt360.shards.builder.input_analysis import AnalysisTask, AnalyzedInput, analyze_input
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo, fingerprint_of
from yt360.shards.builder.new_clips import NewClips, find_new_clips
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.split_writer import SplitWriter
from yt360.shards.builder.splits.given import check_given_splits
from yt360.shards.builder.splits.groups import (
    VIDEO,
    groups_by_video,
    warn_of_crossing,
    warn_of_shared_groups,
    warn_of_similar_names,
)
from yt360.shards.builder.staging import InputAnalysis, StagingFolder, new_run
from yt360.shards.format.dataset_info import Rejection
from yt360.shards.format.index import write_index
from yt360.splits import SPLITS, Split
from yt360.terminal.progress import Progress

CLIPS_PER_TASK = 8


@dataclass(frozen=True)
class CorrectedFile:
    """A file whose gain of W is corrected, and the number of its new clips."""

    name: str
    clips: int
    correction: FieldCorrection


class BuildRun:
    """One run of a build; call `run` once.

    An input is *finished* when each of its clips is in a listed shard or rejected. Only then are
    its rejections recorded in ``dataset.json``: they say that the input needs no more work.

    Args:
        out: The dataset's folder.
        options: Build options.
        found: The inputs.
        retry: Try rejected inputs again, even if they have not changed.
        publisher: Copies the dataset to its destination; None: `out` is that.

    Attributes:
        notes: Notes on the inputs, one line each.
        layout_warnings: Warnings about the audio layout of files: (name of the file, warning).
        corrected: Files whose gain of W is corrected in new clips.
    """

    def __init__(
        self,
        out: Path,
        options: BuildOptions,
        found: FoundInputs,
        retry: bool = False,
        publisher: Publisher | None = None,
    ) -> None:
        self.out, self.options, self.found, self.retry = out, options, found, retry
        self._publisher = publisher or InPlace()
        self.notes: list[str] = []
        self.layout_warnings: list[tuple[str, LayoutWarning]] = []
        self.corrected: list[CorrectedFile] = []
        self._run = new_run()
        self._staging = StagingFolder(out, self._run)
        self._info = open_output(out, options)
        self._writers: dict[Split, SplitWriter] = {}
        self._corrections: dict[str, FieldCorrection | None] = {}
        """Video id -> correction of the gain of W."""
        self._sources: dict[str, bytes] = {}
        """Key of an input -> what its scan found, if it has clips to convert."""
        self._new: dict[str, NewClips] = {}
        """Key of an input -> its new clips."""
        self._input_of: dict[str, str] = {}
        """Key of a clip -> key of its input."""
        self._open_clips: dict[str, set[str]] = {}
        """Key of an input -> its clips that are neither in a listed shard nor rejected."""
        self._rejections: dict[str, list[Rejection]] = {}
        """Key of an input -> its rejections so far."""
        self._recorded = set(self._info.rejected)
        """Rejections of finished inputs."""
        self._unfinished = set(self._info.unfinished)
        """Inputs that are not finished although listed shards hold some of their clips."""

    def run(self, pool: Pool) -> None:
        """Analyze the inputs, convert their clips and write the shards."""
        inputs = self._begin()
        self._choose_clips(inputs, self._analyze(pool, inputs))
        self._convert(pool, self._conversion_tasks())
        self._finish()

    def _begin(self) -> list[InputVideo]:
        """Clean up after a killed run; return the inputs to process."""
        remove_leftovers(self.out, self._info)
        self._staging.prepare(self.options.to_json())
        for split in SPLITS:
            folder, info = self.out / split, self._info.splits[split]
            self._writers[split] = SplitWriter(
                folder, info, load_table(folder, info)[0], self._staging, self.options.shard_bytes
            )
        tables = {split: writer.table for split, writer in self._writers.items()}
        if self.options.test_fraction is None:
            check_given_splits(self.found.videos, tables)
        inputs = inputs_to_do(self.found.videos, self._info, tables, self.retry)
        packed = packed_starts(tables)
        self._unfinished |= {it.key for it in inputs if (it.video_id, it.start_s) in packed}
        again = {item.file_id for item in inputs} | {each.file_id for each in self.found.rejected}
        self._recorded = {item for item in self._recorded if item.file_id not in again}
        self._recorded |= set(self.found.rejected)
        self._save(complete=False)
        return inputs

    def _analyze(self, pool: Pool, inputs: Sequence[InputVideo]) -> dict[str, InputAnalysis]:
        """Return the analysis of each input by key; a crashed analysis is retried once."""
        analyses: dict[str, InputAnalysis] = {}
        tasks = deque(
            AnalysisTask(item, self.options, self.out, self.retry, self._run) for item in inputs
        )
        crashed: set[str] = set()
        with Progress("analyzing", total=len(inputs), unit="files") as progress:
            for task, result in pool.run(analyze_input, tasks):
                item = task.item
                if isinstance(result, Crashed):
                    if item.key not in crashed and result.reason == "crash":
                        crashed.add(item.key)
                        tasks.append(task)
                        continue
                    fingerprint = fingerprint_of(item)
                    rejection = item.reject(result.reason, result.describe(), fingerprint)
                    result = AnalyzedInput(InputAnalysis(fingerprint, (), (rejection,)))
                analyses[item.key] = result.analysis
                if result.source is not None:
                    self._sources[item.key] = result.source
                progress.advance()
        return analyses

    def _choose_clips(
        self, inputs: Sequence[InputVideo], analyses: Mapping[str, InputAnalysis]
    ) -> None:
        """Decide which clips are added, to which split, and in which order."""
        tables = {split: writer.table for split, writer in self._writers.items()}
        videos, group_by = self.found.videos, self.options.split_by
        duplicates = (*self.found.duplicates, *find_groups(folder_of_dataset(self.out)))
        stated = groups_by_video(videos, inputs, self.out, tables, group_by)
        groups = merge(stated, duplicates)
        new = find_new_clips(inputs, analyses, tables, self.options, videos, groups)
        self._corrections = correction_of_video(
            inputs, analyses, self.out, tables, self.options.field_gain
        )
        for item in inputs:
            self.notes += analyses[item.key].notes
            self.layout_warnings += [(item.name, each) for each in analyses[item.key].doubts]
        for each in new:
            self._expect(each)
        for split, writer in self._writers.items():
            keys = [key for each in new if each.split == split for key in each.keys]
            writer.order = sorted(keys, key=key_order)
        self._note_splits(stated, groups, duplicates)

    def _expect(self, new: NewClips) -> None:
        """Begin the account of an input's new clips."""
        key = new.item.key
        self._new[key] = new
        self._input_of.update(dict.fromkeys(new.keys, key))
        self._rejections[key] = list(new.rejected)
        self._open_clips[key] = set(new.keys)
        self._record_if_finished(key)
        correction = self._corrections.get(new.item.video_id)
        if correction is not None and new.clips:
            self.corrected.append(CorrectedFile(new.item.name, len(new.clips), correction))

    def _note_splits(
        self, stated: Mapping[str, str], groups: Mapping[str, str], duplicates: Groups
    ) -> None:
        """Note what is in both splits: duplicates, stated groups, files with similar names.

        Args:
            stated: Video id -> group, by the option ``split_by``.
            groups: The same, where duplicates share a group.
            duplicates: Groups of videos that hold the same footage.
        """
        splits = {
            video_id: split
            for split, writer in self._writers.items()
            for video_id in writer.video_ids
        }
        new = self._new.values()
        splits |= {each.item.video_id: each.split for each in new if each.clips}
        self.notes += warn_of_crossing(duplicates, splits)
        if self.options.test_fraction is None:
            self.notes += warn_of_shared_groups(stated, splits)
        if self.options.split_by != VIDEO:
            self.notes += warn_of_similar_names(
                {
                    item.name: splits[item.video_id]
                    for item in self.found.videos
                    if item.split is None
                    and item.video_id in splits
                    and item.video_id not in groups
                }
            )

    def _conversion_tasks(self) -> deque[ConversionTask]:
        """Return tasks for the clips that are not staged; use those that an earlier run staged."""
        tasks: deque[ConversionTask] = deque()
        for each in self._new.values():
            missing = []
            for clip, key in zip(each.clips, each.keys, strict=True):
                result = self._staging.find(key)
                if self.retry and isinstance(result, Rejection):
                    self._staging.discard([key])
                    result = None
                if result is None:
                    missing.append(clip)
                else:
                    self._record(key, result)
            for first in range(0, len(missing), CLIPS_PER_TASK):
                clips = tuple(missing[first : first + CLIPS_PER_TASK])
                tasks.append(
                    ConversionTask(
                        each.item,
                        self._sources[each.item.key],
                        clips,
                        each.fingerprint,
                        self.options,
                        self.out,
                        self._corrections.get(each.item.video_id),
                        self._run,
                    )
                )
        return tasks

    def _convert(self, pool: Pool, tasks: deque[ConversionTask]) -> None:
        self._write_shards()
        total, missing = len(self._input_of), sum(len(task.clips) for task in tasks)
        crashed: set[str] = set()
        with Progress("converting", total=total, unit="clips", done=total - missing) as progress:
            for task, results in pool.run(stage_clips, tasks):
                if isinstance(results, Crashed):
                    self._after_crash(task, results, crashed)
                    tasks.appendleft(task)
                    continue
                for key, result in results.items():
                    self._record(key, result)
                progress.advance(len(results))
                self._write_shards()
        self._write_shards(last=True)

    def _after_crash(self, task: ConversionTask, crash: Crashed, crashed: set[str]) -> None:
        """Reject the clip that the task crashed at if it crashes for the second time.

        A task that timed out is not retried: all its missing clips are rejected.
        """
        clips = task.clips_by_key()
        missing = [key for key in clips if self._staging.find(key) is None]
        first = missing[:1]
        for key in missing if crash.reason == "timeout" else crashed.intersection(first):
            clip = clips[key]
            rejection = task.item.reject(
                crash.reason, crash.describe(), task.fingerprint, clip.start_s, clip.duration_s
            )
            self._staging.publish_rejection(key, rejection)
        crashed.update(first)

    def _record(self, key: str, result: int | Rejection) -> None:
        """Record the result of a clip: its size in a shard, or its rejection."""
        item_key = self._input_of[key]
        writer = self._writers[self._new[item_key].split]
        if isinstance(result, Rejection):
            writer.add(key, None)
            self._rejections[item_key].append(result)
            self._open_clips[item_key].discard(key)
            self._record_if_finished(item_key)
        else:
            writer.add(key, result)

    def _write_shards(self, last: bool = False) -> None:
        """Write the full shards, list them in ``dataset.json``, then remove their staged clips."""
        for split, writer in self._writers.items():
            for keys in writer.write_all_shards() if last else writer.write_full_shards():
                self._publisher.shard(split, writer.shards[-1])
                for key in keys:
                    item_key = self._input_of[key]
                    self._unfinished.add(item_key)
                    self._open_clips[item_key].discard(key)
                    self._record_if_finished(item_key)
                self._save(complete=False)
                self._staging.discard(keys)

    def _record_if_finished(self, item_key: str) -> None:
        if not self._open_clips[item_key]:
            self._recorded.update(self._rejections[item_key])
            self._unfinished.discard(item_key)

    def _finish(self) -> None:
        for split, writer in self._writers.items():
            (self.out / split).mkdir(exist_ok=True)
            write_index(self.out / split, writer.table, writer.info)
            self._publisher.index(split)
        self._save(complete=True)
        self._staging.remove()

    def _save(self, complete: bool) -> None:
        self._info = replace(
            self._info,
            splits={split: writer.info for split, writer in self._writers.items()},
            rejected=tuple(sorted(self._recorded, key=lambda item: item.order)),
            complete=complete,
            unfinished=tuple(sorted(self._unfinished)),
        )
        self._info.save(self.out)
        self._publisher.lists(self._info)
