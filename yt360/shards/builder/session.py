"""One run of a build, under the dataset's lock: plan, make, pack, list, in that order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from yt360.clips import key_order
from yt360.execution.local import Crashed, Pool
from yt360.media.layout.doubts import Doubt
from yt360.shards.builder.admission import Admitted, admit
from yt360.shards.builder.cutting import CutJob, PlanJob, make_clips, plan_video
from yt360.shards.builder.groups import VIDEO, known_groups, torn_stems
from yt360.shards.builder.inputs import FoundInputs, InputVideo, fingerprint_of
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.output import (
    drop_leftovers,
    inputs_to_do,
    load_table,
    open_output,
    packed_starts,
)
from yt360.shards.builder.packing import SplitPacker
from yt360.shards.builder.staging import StagedClip, Staging, VideoPlan
from yt360.shards.format.index import write_index
from yt360.shards.format.schema import Rejection
from yt360.splits import SPLITS, Split
from yt360.terminal.progress import Progress

CLIPS_PER_JOB = 8


class BuildSession:
    """What a run knows; `run` does the work.

    An input is *settled* when each of its clips is in a listed shard or rejected. Only then are
    its rejections recorded in ``dataset.json``: their presence says that it needs no more work.

    Args:
        out: The dataset's folder.
        options: How it is built.
        found: The inputs.
        retry: Try again what was rejected, whether it has changed or not.
    """

    def __init__(
        self, out: Path, options: BuildOptions, found: FoundInputs, retry: bool = False
    ) -> None:
        self.out, self.options, self.found, self.retry = out, options, found, retry
        self.staging = Staging(out)
        self.info = open_output(out, options)
        self.packers: dict[Split, SplitPacker] = {}
        self.admitted: dict[str, Admitted] = {}
        self.owner: dict[str, str] = {}
        """Key of a clip -> key of the input that it is from."""
        self.open_clips: dict[str, set[str]] = {}
        """Key of an input -> its clips that are neither listed nor rejected."""
        self.rejections: dict[str, list[Rejection]] = {}
        """Key of an input -> its rejections so far."""
        self.recorded = set(self.info.rejected)
        """Rejections of settled inputs."""
        self.notes: list[str] = []
        """What a person should know of the inputs, a line each."""
        self.doubts: list[tuple[str, Doubt]] = []
        """Files, and what speaks against the layout that their sound is taken for."""
        self.unfinished = set(self.info.unfinished)
        """Inputs with a part in listed shards that are not settled."""

    def run(self, pool: Pool) -> None:
        """Do all there is to do."""
        to_do = self._begin()
        self._admit(to_do, self._plan(pool, to_do))
        self._make(pool, self._jobs())
        self._finish()

    def _begin(self) -> list[InputVideo]:
        drop_leftovers(self.out, self.info)
        self.staging.prepare(self.options.to_json())
        tables: dict[Split, pa.Table] = {}
        for split in SPLITS:
            folder, info = self.out / split, self.info.splits[split]
            tables[split], _ = load_table(folder, info)
            self.packers[split] = SplitPacker(
                folder, info, tables[split], self.staging, self.options.shard_bytes
            )
        to_do = inputs_to_do(self.found.videos, self.info, tables, self.retry)
        packed = packed_starts(tables)
        self.unfinished |= {it.key for it in to_do if (it.video_id, it.start_s) in packed}
        again = {item.file_id for item in to_do} | {each.file_id for each in self.found.rejected}
        self.recorded = {item for item in self.recorded if item.file_id not in again}
        self.recorded |= set(self.found.rejected)
        self._save(complete=False)
        return to_do

    def _plan(self, pool: Pool, to_do: Sequence[InputVideo]) -> dict[str, VideoPlan]:
        plans: dict[str, VideoPlan] = {}
        jobs = deque(PlanJob(item, self.options, self.out, self.retry) for item in to_do)
        crashed: set[str] = set()
        with Progress("looking at", total=len(to_do), unit="files") as progress:
            for job, plan in pool.run(plan_video, jobs):
                key = job.item.key
                if isinstance(plan, VideoPlan):
                    plans[key] = plan
                elif key not in crashed and plan.reason == "crash":
                    crashed.add(key)
                    jobs.append(job)
                    continue
                else:
                    fingerprint = fingerprint_of(job.item)
                    rejection = job.item.reject(plan.reason, plan.describe(), fingerprint)
                    plans[key] = VideoPlan(fingerprint, (), (rejection,))
                progress.advance()
        return plans

    def _admit(self, to_do: Sequence[InputVideo], plans: dict[str, VideoPlan]) -> None:
        tables = {split: packer.table for split, packer in self.packers.items()}
        queues: dict[Split, list[str]] = {split: [] for split in SPLITS}
        videos = self.found.videos
        group_by = self.options.split_by
        groups = known_groups(videos, to_do, self.out, tables, group_by)
        admitted = admit(to_do, plans, tables, self.options, videos, groups)
        self.notes = [note for item in to_do for note in plans[item.key].notes]
        self.doubts = [(item.name, doubt) for item in to_do for doubt in plans[item.key].doubts]
        if group_by != VIDEO:
            self.notes += torn_stems(self._splits_of_names(tables, admitted, groups))
        for each in admitted:
            item_key = each.item.key
            self.admitted[item_key] = each
            self.owner.update(dict.fromkeys(each.keys, item_key))
            self.rejections[item_key] = list(each.rejected)
            self.open_clips[item_key] = set(each.keys)
            self._settle_if_done(item_key)
            queues[each.split] += each.keys
        for split, packer in self.packers.items():
            packer.expect(sorted(queues[split], key=key_order))

    def _splits_of_names(
        self,
        tables: Mapping[Split, pa.Table],
        admitted: Sequence[Admitted],
        groups: Mapping[str, str],
    ) -> dict[str, Split]:
        """Return the split of each input, by name, that neither a group nor a list decides."""
        splits = {
            video_id: split
            for split, table in tables.items()
            for video_id in table.column("video_id").unique().to_pylist()
        }
        splits |= {each.item.video_id: each.split for each in admitted if each.clips}
        return {
            item.name: splits[item.video_id]
            for item in self.found.videos
            if item.split is None and item.video_id in splits and item.video_id not in groups
        }

    def _jobs(self) -> deque[CutJob]:
        """Return jobs for the clips that no earlier run has staged; take those that one has."""
        jobs: deque[CutJob] = deque()
        for each in self.admitted.values():
            missing = []
            for clip, key in zip(each.clips, each.keys, strict=True):
                result = self.staging.find(key)
                if self.retry and isinstance(result, Rejection):
                    self.staging.discard([key])
                    result = None
                if result is None:
                    missing.append(clip)
                else:
                    self._take(key, result)
            for first in range(0, len(missing), CLIPS_PER_JOB):
                clips = tuple(missing[first : first + CLIPS_PER_JOB])
                jobs.append(CutJob(each.item, clips, each.fingerprint, self.options, self.out))
        return jobs

    def _make(self, pool: Pool, jobs: deque[CutJob]) -> None:
        self._pack()
        missing = sum(len(job.clips) for job in jobs)
        crashed: set[str] = set()
        with Progress(
            "cutting", total=len(self.owner), unit="clips", done=len(self.owner) - missing
        ) as progress:
            for job, results in pool.run(make_clips, jobs):
                if isinstance(results, Crashed):
                    self._after_crash(job, results, crashed)
                    jobs.appendleft(job)
                    continue
                for key, result in results:
                    self._take(key, result)
                progress.advance(len(results))
                self._pack()
        self._pack(last=True)

    def _after_crash(self, job: CutJob, crash: Crashed, crashed: set[str]) -> None:
        """Reject the clip that it happened at, when it is not the first time.

        A job that took too long is not tried again: all that it has not made is rejected.
        """
        keys = {job.item.clip_key(clip.start_s): clip for clip in job.clips}
        missing = [key for key in keys if self.staging.find(key) is None]
        first = missing[:1]
        bad = missing if crash.reason == "timeout" else [key for key in first if key in crashed]
        for key in bad:
            clip = keys[key]
            rejection = job.item.reject(
                crash.reason, crash.describe(), job.fingerprint, clip.start_s, clip.duration_s
            )
            self.staging.publish_rejection(key, rejection)
        crashed.update(first)

    def _take(self, key: str, result: StagedClip | Rejection) -> None:
        item_key = self.owner[key]
        packer = self.packers[self.admitted[item_key].split]
        if isinstance(result, StagedClip):
            packer.settle(key, result)
            return
        packer.settle(key, None)
        self.rejections[item_key].append(result)
        self.open_clips[item_key].discard(key)
        self._settle_if_done(item_key)

    def _pack(self, last: bool = False) -> None:
        """Write the shards that are full, list them, and only then drop their staged clips."""
        for packer in self.packers.values():
            for shard in packer.finish() if last else packer.pack():
                for key in shard.keys:
                    item_key = self.owner[key]
                    self.unfinished.add(item_key)
                    self.open_clips[item_key].discard(key)
                    self._settle_if_done(item_key)
                self._save(complete=False)
                self.staging.discard(shard.keys)

    def _settle_if_done(self, item_key: str) -> None:
        if not self.open_clips[item_key]:
            self.recorded.update(self.rejections[item_key])
            self.unfinished.discard(item_key)

    def _finish(self) -> None:
        for split, packer in self.packers.items():
            (self.out / split).mkdir(exist_ok=True)
            write_index(self.out / split, packer.table, packer.info)
        self._save(complete=True)
        self.staging.remove()

    def _save(self, complete: bool) -> None:
        self.info = replace(
            self.info,
            splits={split: packer.info for split, packer in self.packers.items()},
            rejected=tuple(sorted(self.recorded, key=lambda item: item.order)),
            complete=complete,
            unfinished=tuple(sorted(self.unfinished)),
        )
        self.info.save(self.out)
