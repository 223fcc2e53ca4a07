"""``yt360 build-shards``: cut media files into clips and write shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.buckets.address import as_bucket_url
from yt360.clips import DEFAULT_CLIP_S
from yt360.commands.exclusive_options import refuse
from yt360.commands.executor_options import cores_option, executor_options
from yt360.commands.group import PATH_OR_URL, examples, renamed_options
from yt360.errors import UserError
from yt360.execution.collection import uncollected_imports
from yt360.media.names import AUDIO_LAYOUTS, FIELD_GAIN_MODES, PROJECTIONS, STEREO_MODES
from yt360.splits import PAPER_TEST_FRACTION
from yt360.terminal.output import echo
from yt360.terminal.text import counted, printable

if TYPE_CHECKING:
    from yt360.execution.local import Pool
    from yt360.shards.builder.build import BuildReport
    from yt360.shards.format.dataset_info import DatasetInfo

MAX_LINES = 20


@examples(
    "yt360 build-shards recordings --out DATASET",
    "yt360 build-shards holiday.mp4 concert.mp4 --out DATASET --clip-s 5 --workers 4",
    "yt360 build-shards downloads --out DATASET --group-by video --test-fraction 0.1",
    "yt360 build-shards pieces --out DATASET --group-by '(.+)_[0-9]+'",
    "yt360 build-shards my.catalog --out DATASET",
    "yt360 build-shards SCENES/train --test SCENES/test --out DATASET",
    "yt360 build-shards footage --out DATASET --inspect",
    "yt360 build-shards footage --out DATASET --equalize-field",
    "yt360 build-shards my.catalog --out DATASET --executor ray:10.0.0.1:6379",
    "yt360 build-shards my.catalog --out DATASET --executor slurm:cpu --workers 400",
    "yt360 build-shards STARSS23 --out DATASET --directions --audio-layout ambix",
    "yt360 build-shards --out DATASET -- -abc.mp4",
    "yt360 build-shards my.catalog --out s3://BUCKET/DATASET",
)
@click.command("build-shards")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=Path)
@click.option(
    "--out",
    required=True,
    help="Folder of the dataset, new or existing; also in a bucket, such as s3://BUCKET/DATASET.",
)
@click.option(
    "--clip-s",
    type=int,
    help=f"Length of clips in whole seconds.  [default: as the catalog, else {DEFAULT_CLIP_S}]",
)
@click.option(
    "--min-level-dbfs",
    default=-60.0,
    show_default=True,
    help="Leave out clips whose W channel has a lower RMS level.",
)
@click.option(
    "--test-fraction",
    default=PAPER_TEST_FRACTION,
    help="Expected fraction of groups in the test split, 0 to 1.  [default: 0.1816, as in YT-360]",
)
@click.option(
    "--test",
    multiple=True,
    type=Path,
    help="Media file, folder or catalog whose videos are the test split; those of INPUT are then "
    "the training split (repeatable). No split is then chosen by --test-fraction and --group-by.",
)
@click.option(
    "--group-by",
    "--split-by",
    "split_by",
    default="channel",
    show_default=True,
    metavar="channel|video|FACT|REGEX",
    help="Grouping that must not cross the split: by channel, by video, by another property "
    "(title, upload_date, ... from a catalog or NAME.info.json), or by a regular expression with "
    "one group, which is searched in the file name without suffix. A video without this property "
    "is a group of its own.",
)
@click.option(
    "--groups",
    multiple=True,
    type=Path,
    help="File of groups of videos that must not cross the split, such as groups.json of `yt360 "
    "dedup` (repeatable). Those of INPUT and of --out are always used.",
)
@click.option(
    "--review",
    multiple=True,
    type=PATH_OR_URL,
    help="Decisions of people from `yt360 explore` (repeatable): a review.jsonl, a dataset or "
    "folder that contains one, also in a bucket, or a catalog. Those of INPUT and of --out are "
    "always used.",
)
@click.option(
    "--shard-mb", default=256.0, show_default=True, help="Maximum size of a shard in 10^6 bytes."
)
@click.option(
    "--height",
    default=320,
    show_default=True,
    help="Height of the clips in pixels; they are twice as wide.",
)
@click.option("--fps", default=16, show_default=True, help="Frame rate of the clips.")
@click.option("--crf", default=23, show_default=True, help="H.264 quality, 0 (best) to 51.")
@click.option("--gop", default=8, show_default=True, help="Frames between key frames.")
@click.option(
    "--sample-rate-hz", default=24000, show_default=True, help="Sample rate of the audio."
)
@click.option(
    "--projection",
    default="auto",
    show_default=True,
    type=click.Choice(PROJECTIONS),
    help="Projection of all inputs, if their metadata is missing or wrong.",
)
@click.option(
    "--stereo-mode",
    default="auto",
    show_default=True,
    type=click.Choice(STEREO_MODES),
    help="Stereo mode of all inputs, if their metadata is missing or wrong.",
)
@click.option(
    "--audio-layout",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", *AUDIO_LAYOUTS]),
    help="Layout of the spatial audio of all inputs, if it is not detected correctly.",
)
@click.option(
    "--field-gain",
    default="broadband",
    show_default=True,
    type=click.Choice(FIELD_GAIN_MODES),
    help="Correct a wrong gain of W relative to X, Y and Z: by one gain, by one for each octave, "
    "or not at all. Directions do not change. The record of a clip stores the correction, so it "
    "can be undone.",
)
@click.option("--equalize-field", is_flag=True, help="The same as --field-gain octaves.")
@click.option(
    "--inspect",
    is_flag=True,
    help="Also run the checks of `yt360 inspect` on files and folders, and leave out what they "
    "reject; by default, only the projection and the audio layout are checked.",
)
@click.option(
    "--directions",
    is_flag=True,
    help="Store the directions of sources that NAME.csv beside NAME.mp4 labels, in the format of "
    "STARSS22 and STARSS23.",
)
@cores_option
@executor_options
@click.option(
    "--retry",
    is_flag=True,
    help="Retry rejected files and parts, even if they have not changed.",
)
@renamed_options({"--sound-layout": "--audio-layout"})
@click.pass_context
def command(context: click.Context, inputs: tuple[Path, ...], out: str, **options: Any) -> None:
    """Cut 360° videos with spatial audio into clips and write them as a dataset.

    INPUT is a media file, a folder of media files, or a catalog. The accepted videos of a catalog
    are cut into the clips that it lists; an audio layout or a projection that was given to `yt360
    inspect` takes precedence over --audio-layout and --projection. The spatial audio of a video may
    be in an audio file of the same name except for the suffix. Run the same command again after an
    interruption, or with more inputs: it continues, and never changes a complete shard. Files and
    parts that cannot be used are listed with the reason.
    """
    with uncollected_imports():
        from yt360.buckets.cache import cache_folder
        from yt360.execution.engines.choice import open_executor
        from yt360.execution.executor import forked_pools
        from yt360.shards.builder.clip_conversion import WORKER_MODULES

    # The workers of a build in a bucket write to its workspace.
    output = cache_folder() / "build-shards" if as_bucket_url(out) else Path(out)
    executor = open_executor(options.pop("executor"), options.pop("executor_config"), output)
    options["workers"] = options["workers"] or executor.default_workers
    if options.pop("equalize_field"):
        refuse(context, ("field_gain",), "and --equalize-field contradict each other; give one")
        options["field_gain"] = "octaves"
    layout = options.pop("audio_layout")
    options["sound_layout"] = None if layout == "auto" else layout
    if options["test"]:
        refuse(
            context,
            ("test_fraction", "split_by"),
            "chooses splits, but --test gives them; give one",
        )
        options["test_fraction"] = None
    with forked_pools(executor, WORKER_MODULES) as make_pool:
        _build(inputs, as_bucket_url(out) or str(Path(out)), make_pool, **options)


def _build(
    inputs: Sequence[Path],
    out: str,
    make_pool: Callable[[int], AbstractContextManager[Pool]],
    *,
    test: Sequence[Path],
    groups: Sequence[Path],
    review: Sequence[Path],
    workers: int,
    retry: bool,
    **options: Any,
) -> None:
    """Build and print the report. What workers do not need is imported here, after their server."""
    with uncollected_imports():
        from yt360.catalog.build_inputs import find_all_inputs
        from yt360.duplicates.groups import read_groups
        from yt360.review.applied import apply_decisions, find_decisions, read_decisions
        from yt360.shards.bucket.build import build_anywhere
        from yt360.shards.builder.splits.given import give_splits

    exclude = None if as_bucket_url(out) else Path(out)
    found = find_all_inputs(inputs, exclude=exclude, clip_s=options["clip_s"])
    if test:
        found = give_splits(found, find_all_inputs(test, exclude=exclude, clip_s=options["clip_s"]))
    found = replace(found, duplicates=(*found.duplicates, *chain(*map(read_groups, groups))))
    if options["directions"]:
        from yt360.shards.builder.direction_labels import with_directions, without_video

        found = with_directions(found)
        if unused := without_video(found):
            echo(
                f"note: {len(unused)} CSV files of directions belong to no video and are not "
                f"used, such as {printable(unused[0].name)}; name them as their videos",
                err=True,
            )
    decisions = chain(find_decisions([*inputs, *test, out]), *map(read_decisions, review))
    found = apply_decisions(found, decisions)
    report = build_anywhere(found, out, _build_options(**options), workers, retry, make_pool)
    _print_report(report, out, len(found.videos), found.ignored)
    if found.without_media:
        echo(
            f"note: {len(found.without_media)} accepted videos have no media files and were "
            f"skipped, such as {found.without_media[0]}"
        )
    if report.info.num_clips == 0:
        reasons = ", ".join(
            f"{reason} {count}" for reason, count in report.info.rejected_by_reason().items()
        )
        raise UserError(
            f"no usable clip in {len(found.videos)} videos ({reasons}); "
            f"{out}/dataset.json lists the reasons",
            code="empty",
            key=out,
        )


def _build_options(
    height: int, fps: int, crf: int, gop: int, sample_rate_hz: int, **options: Any
) -> Any:
    from yt360.clip_codec.format import ClipFormat
    from yt360.shards.builder.options import BuildOptions

    if options["clip_s"] is None:
        del options["clip_s"]
    form = ClipFormat(
        width=2 * height, height=height, fps=fps, crf=crf, gop=gop, sample_rate_hz=sample_rate_hz
    )
    return BuildOptions(form=form, **options)


def _print_report(report: BuildReport, out: str, videos: int, ignored: int) -> None:
    from yt360.shards.format.dataset_info import losses_by_reason

    told = [item for item in report.rejected if not item.is_rest]
    for item in told[:MAX_LINES]:
        where = item.file if item.start_s is None else f"{item.file} at {item.start_s} s"
        echo(f"left out: {where}: {item.reason}: {item.detail}")
    if len(told) > MAX_LINES:
        echo(f"left out: {len(told) - MAX_LINES} more, see {out}/dataset.json")
    if report.rejected:
        echo(f"{'reason':<24} left out  seconds")
        for reason, (count, lost_s) in losses_by_reason(report.rejected).items():
            echo(f"{reason:<24} {count:>8} {lost_s:>8.1f}")
    _print_layout_warnings(report)
    _print_corrections(report)
    for note in report.notes[:MAX_LINES]:
        echo(f"note: {note}")
    if len(report.notes) > MAX_LINES:
        echo(f"note: {len(report.notes) - MAX_LINES} more notes")
    if ignored:
        echo(f"ignored what is neither audio nor video: {counted(ignored, 'file')}")
    echo(f"{counted(videos, 'video')} read; {counted(report.new_clips, 'new clip')}")
    for split, content in report.info.splits.items():
        echo(
            f"{out}/{split}: {counted(content.clips, 'clip')} of "
            f"{counted(content.videos, 'video')}, {content.duration_s / 3600:.2f} h, "
            f"{counted(len(content.shards), 'shard')}"
        )
    info = report.info
    echo(f"{out}: {info.covered_s:.1f} s with video and audio: {_balance(info)}")


def _balance(info: DatasetInfo) -> str:
    words = [f"{info.clips_s:.1f} s in clips", f"{info.lost_s:.1f} s left out"]
    unknown = sum(item.lost_s is None for item in info.rejected)
    return ", ".join(words) + (f"; {counted(unknown, 'file')} of unknown length" if unknown else "")


def _print_corrections(report: BuildReport) -> None:
    """Print the files whose gain of W is corrected, and their number."""
    for file in report.corrected[:MAX_LINES]:
        echo(f"corrected: {file.name}: {file.correction.describe()}")
    if report.corrected:
        clips = sum(file.clips for file in report.corrected)
        files = counted(len(report.corrected), "file")
        echo(f"field gain corrected in {files}, {counted(clips, 'clip')}")


def _print_layout_warnings(report: BuildReport) -> None:
    """Print the warnings about audio layouts, and the number of files with each code."""
    for name, warning in report.layout_warnings[:MAX_LINES]:
        echo(f"warning: {name}: {warning.code}: {warning.detail}")
    if len(report.layout_warnings) > MAX_LINES:
        echo(f"warning: {len(report.layout_warnings) - MAX_LINES} more, see `yt360 stats`")
    counts = Counter(warning.code for _, warning in report.layout_warnings)
    if counts:
        echo(f"{'audio layout warning':<24} files")
        for code, count in counts.most_common():
            echo(f"{code:<24} {count:>5}")
