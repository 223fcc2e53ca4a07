"""The download plan of a video: filter its page, select streams and sections, name files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from yt360.catalog import MediaFile
from yt360.config import config_class
from yt360.crawl.failures import Damaged, NotYet, Unsuitable
from yt360.crawl.search.filters import Filters
from yt360.crawl.sections.fetch import PROTOCOLS
from yt360.crawl.sections.planning import (
    needed_span,
    plan_sections,
    rebase,
    section_name,
    section_span,
)
from yt360.crawl.verify import check_whole
from yt360.crawl.youtube.formats import Choice, Format, Target, choose, format_part
from yt360.execution.isolation import IsolatedProcess
from yt360.files import resolved
from yt360.media.packet_times import declared_and_measured_s
from yt360.untrusted.page import read_formats, read_page

Sections = Literal["auto", "never"]
_NOT_YET = ("is_live", "is_upcoming", "post_live")
_EXTRA_FACTS = (
    "availability", "categories", "language", "live_status", "tags", "timestamp", "view_count",
)  # fmt: skip


@config_class
class Selection:
    """Which videos, streams and sections are downloaded."""

    target: Target = Target()
    """What the streams must provide."""
    filters: Filters = Filters()
    """Filters of videos."""
    sections: Sections = "auto"
    """``"auto"`` downloads only the sections around known clips if that saves enough; ``"never"``
    downloads whole videos."""


class DownloadPlan:
    """The plan of one video, made in callbacks of yt-dlp.

    Args:
        selection: What to download.
        video_id: The video's id, with which the names of the files begin.
        folder: Folder of the files.
        clip_starts_s: Start times of the known clips.
        before_download: Called when the streams are chosen, before any file is used.
        isolate: Starts the process that reads downloaded files.

    Attributes:
        choice: The chosen streams, when the page is known.
        sections: The sections to download as (start, end) in seconds; None for the whole video.
    """

    def __init__(
        self,
        selection: Selection,
        video_id: str,
        folder: Path,
        clip_starts_s: Sequence[int] = (),
        before_download: Callable[[], None] = lambda: None,
        isolate: Callable[[], IsolatedProcess] = IsolatedProcess,
    ) -> None:
        self._selection = selection
        self._video_id = video_id
        self._folder = folder
        self._clip_starts_s = clip_starts_s
        self._before_download = before_download
        self._isolate = isolate
        self._page: Mapping[str, Any] = {}
        self.choice: Choice | None = None
        self.sections: list[tuple[int, int]] | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of `YoutubeDL` that carry out the plan."""
        name = f"{self._video_id}.%(yt360_role)s%(section_start&-{{}}|)s.%(yt360_format)s.%(ext)s"
        return {
            "match_filter": self._check_page,
            "format": self._select,
            "download_ranges": self._ranges,
            "outtmpl": {"default": name},
            "paths": {"home": str(resolved(self._folder))},
            "extract_flat": "in_playlist",  # `collect` refuses a page with several videos
        }

    def _check_page(self, info: Mapping[str, Any], *, incomplete: object = False) -> None:
        """Raise when the page's facts are excluded; the callback ``match_filter``."""
        del incomplete  # a missing fact passes in any case
        self._page = read_page(info)
        if (status := self._page.get("live_status")) in _NOT_YET:
            begins_at = self._page.get("release_timestamp")
            raise NotYet(str(status).replace("_", "-"), "no recording of it yet", begins_at)
        self._selection.filters.check_page(self._page, is_whole="formats" in info)
        if self._selection.sections == "auto":
            self.sections = plan_sections(self._clip_starts_s, self._duration_s)

    def _select(self, context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the formats to download; the callback ``format``."""
        self.choice = choose(read_formats(context["formats"]), self._selection.target)
        self._before_download()
        video, audio = self.choice.video, self.choice.audio
        if not all(form is None or form.get("protocol") in PROTOCOLS for form in (video, audio)):
            self._clip_starts_s, self.sections = (), None  # yt-dlp checks the page again
        if self.sections is None:
            yield self._whole(video, "both" if audio is None else "video")
            if audio is not None:
                yield self._whole(audio, "sound")
            return
        # FFmpeg must cut both streams in one run, or they begin at different times.
        part: dict[str, Any] = {
            "ext": "mkv",
            "yt360_role": "part",
            "yt360_format": "+".join(format_part(form) for form in (video, audio) if form),
            "format_id": self.choice.format_ids,
        }
        if audio is not None:
            part["requested_formats"] = [dict(video), dict(audio)]
            part["protocol"] = f"{video['protocol']}+{audio['protocol']}"
            yield part
        else:
            yield {**video, **part}

    def _whole(self, form: Format, role: str) -> dict[str, Any]:
        """Return a format to download whole; a partial file that cannot be resumed is handled.

        A worker that was killed before it renamed a complete partial file leaves it behind. Servers
        answer a request for the bytes after it with 416, from which yt-dlp does not recover.
        """
        size, part_name = form.get("filesize"), format_part(form)
        final = self._folder / f"{self._video_id}.{role}.{part_name}.{form['ext']}"
        part = final.with_name(f"{final.name}.part")
        if size is not None and part.exists() and part.stat().st_size >= size:
            if part.stat().st_size == size:
                part.replace(final)
            else:
                part.unlink()
        return {**form, "yt360_role": role, "yt360_format": part_name}

    def _ranges(self, _info: Mapping[str, Any], _session: object) -> list[dict[str, Any]]:
        """Return the sections to download; the callback ``download_ranges``."""
        if self.sections is None:
            return [{}]
        return [
            {"start_time": begin, "end_time": end}
            for begin, end in self.sections
            if not self._section_path(begin, end).exists()
        ]

    @property
    def _duration_s(self) -> float | None:
        return self._page.get("duration")

    def facts(self) -> dict[str, Any]:
        """Return the facts of the page for the catalog, as far as it was read."""
        info, choice = self._page, self.choice
        return {
            "title": info.get("title"),
            "channel_id": info.get("channel_id"),
            "channel": info.get("channel") or info.get("uploader"),
            "license": info.get("license"),
            "upload_date": info.get("upload_date"),
            "duration_s": self._duration_s,
            "projection": choice.projection if choice else None,
            "spatial_audio": choice.spatial_audio if choice else None,
            "format_ids": choice.format_ids if choice else None,
            "feeds_target": choice.is_large_enough if choice else None,
            **{name: info[name] for name in _EXTRA_FACTS if info.get(name) is not None},
        }

    def collect(self, info: Mapping[str, Any]) -> tuple[MediaFile, ...]:
        """Verify the downloaded files and return them; incomplete files are deleted.

        Raises:
            Damaged: A file is missing or incomplete.
            Unsuitable: The page has several videos, a file cannot be decoded, or two sections begin
                at the same key frame.
        """
        if info.get("_type") == "playlist":
            raise Unsuitable(
                "several-videos", "the page has several videos; give the address of each"
            )
        if self.choice is None:
            raise Damaged("empty", "yt-dlp downloaded nothing")
        downloads = info.get("requested_downloads") or []
        with self._isolate() as isolated:
            if self.sections is None:
                return tuple(self._whole_file(isolated, download) for download in downloads)
            raws = {
                int(each["section_start"]): Path(each["filepath"])
                for each in downloads
                if "filepath" in each
            }
            files = tuple(
                self._section_file(isolated, begin, end, raws) for begin, end in self.sections
            )
        if len({file.start_s for file in files}) < len(files):
            raise Unsuitable(
                "sparse-key-frames",
                "two sections begin at the same key frame; use --sections never",
            )
        return files

    def _whole_file(self, isolated: IsolatedProcess, download: Mapping[str, Any]) -> MediaFile:
        assert self.choice is not None
        if "filepath" not in download:
            raise Damaged("empty", "yt-dlp left no file")
        path, role = Path(download["filepath"]), download["yt360_role"]
        form: Format = self.choice.video
        if role == "sound" and self.choice.audio is not None:
            form = self.choice.audio
        try:
            length = check_whole(
                path,
                form.get("filesize"),
                self._duration_s,
                lambda file: isolated.call(file.name, declared_and_measured_s, file),
            )
        except (Damaged, Unsuitable):
            path.unlink(missing_ok=True)
            raise
        return MediaFile(
            role=role,
            path=path.name,
            bytes=path.stat().st_size,
            format_id=str(form["format_id"]),
            facts={"length_s": round(length, 3)},
        )

    def _section_file(
        self, isolated: IsolatedProcess, begin: int, end: int, raws: Mapping[int, Path]
    ) -> MediaFile:
        assert self.choice is not None
        final = self._section_path(begin, end)
        if not final.exists():
            if begin not in raws:
                raise Damaged("empty", f"yt-dlp left no file for section {begin}-{end} s")
            try:
                rebase(
                    isolated,
                    raws[begin],
                    final,
                    *needed_span((begin, end), self._clip_starts_s, self._duration_s or end),
                )
            except Damaged:
                raws[begin].unlink(missing_ok=True)
                raise
        try:
            start_s, end_s = section_span(isolated, final)
        except Damaged:
            final.unlink(missing_ok=True)
            raise
        return MediaFile(
            role="both",
            path=final.name,
            bytes=final.stat().st_size,
            start_s=start_s,
            end_s=end_s,
            format_id=self.choice.format_ids,
        )

    def _section_path(self, begin: int, end: int) -> Path:
        return self._folder / section_name(self._video_id, begin, end)
