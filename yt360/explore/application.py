"""What `yt360 explore` does: put the parts together, and serve or export them."""

from __future__ import annotations

import getpass
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from yt360.buckets.address import as_url, is_read_only
from yt360.catalog.opening import is_catalog
from yt360.errors import BadItem, UserError
from yt360.explore.decoding import Decoding
from yt360.explore.export import export_site
from yt360.explore.layers.clip_layers import ClipLayers
from yt360.explore.layers.model_lock import ModelLock
from yt360.explore.layers.scores import Scores
from yt360.explore.security import access_for
from yt360.explore.server import PAGE, create_app
from yt360.explore.serving import has_browser, link_to, listen, open_browser, run_server
from yt360.explore.site import Site
from yt360.explore.sources.opening import open_source
from yt360.explore.sources.present_classes import BUDGET_S
from yt360.explore.sources.source import Source
from yt360.explore.thumbnails import warm_up
from yt360.media.names import AUDIO_LAYOUTS
from yt360.review.bucket_log import BucketLog
from yt360.review.catalog_store import CatalogStore
from yt360.review.log import ReviewLog
from yt360.review.service import ReviewService
from yt360.terminal.output import echo
from yt360.terminal.progress import Progress

if TYPE_CHECKING:
    from yt360.explore.layers.clip_layers import Run
    from yt360.explore.layers.directions import KnownDirections

MAX_LINES = 20


class Explorer:
    """What is shown, opened; a context manager.

    Args:
        place: A dataset (folder or URL), a catalog, a folder of media files, or one of them.
        runs: Runs whose views are shown.
        directions: Known directions of sources.
        decoding: Processes that decode media.
        is_patient: Whether the list has what takes long to find out.
        open_place: Opens the clips; see `open_source`.

    Attributes:
        source: The clips.
        scores: Scores of all clips by the runs; None without any.
        layers: What is drawn over them.
        review: Where decisions are stored; None for a dataset on a web server.

    Raises:
        UserError: Something cannot be opened.
    """

    def __init__(
        self,
        place: str,
        runs: Sequence[Path],
        directions: Path | None,
        decoding: Decoding,
        *,
        is_patient: bool = False,
        open_place: Callable[..., Source] = open_source,
    ) -> None:
        self.decoding = decoding
        known = None if directions is None else _known_directions(directions)
        self.source = open_place(
            place, decoding, _Opened().advance, math.inf if is_patient else BUDGET_S
        )
        self.review = _review_of(place)
        folder = self.source.folder
        if runs and folder is None:
            raise UserError(
                f"--run needs the clips of a dataset, and {place} is a {self.source.kind}; build "
                "one with `yt360 build-shards`",
                code="conflict",
                key="--run",
            )
        opened = _open_runs(runs, folder) if runs and folder is not None else {}
        self.scores = _scores_of(self.source, opened) if opened else None
        self.layers = ClipLayers(self.source, decoding, opened, known, self.scores)

    def __enter__(self) -> Explorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.scores is not None:
            self.scores.stop()
        self.source.close()

    def site(self, more: Mapping[str, Any] | None = None) -> Site:
        """Return the content of the page.

        Args:
            more: Further entries of ``site.json``.
        """
        return Site(self.source, self.layers, more)


def serve(
    explorer: Explorer,
    host: str,
    port: int | None,
    *,
    open_page: bool,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve the page until the process is interrupted or terminated.

    Args:
        explorer: What is shown.
        host: Address to listen on.
        port: Port; None for the first free one.
        open_page: Whether to open it in a browser of this machine.
        started: Called once requests are answered.

    Raises:
        UserError: The address or the port cannot be used.
        KeyboardInterrupt: The process was interrupted or terminated.
    """
    source, review = explorer.source, explorer.review
    more = {"can_review": review is not None, "who": _login_name(), "layouts": [*AUDIO_LAYOUTS]}
    if explorer.scores is not None:
        more["live_scores"] = True
        explorer.scores.start()
    with listen(host, port) as bound:
        number = bound.getsockname()[1]
        access = access_for(host, number)
        link = link_to(host, number, access)

        def ready() -> None:
            echo(f"{source.title}: {_count(source)}")
            if access.token is not None:
                echo("who has this link can see the clips and decide about them:")
            echo(f"{link}  (Ctrl-C stops)")
            if open_page and has_browser(host):
                open_browser(link)
            started()

        app = create_app(explorer.site(more), review, access)
        threading.Thread(target=_warm_up, args=(explorer.decoding,), daemon=True).start()
        run_server(app, bound, ready, explorer.decoding.stop)


def export(explorer: Explorer, out: Path) -> None:
    """Write the page and its content to a folder, and say what was written.

    Raises:
        UserError: The folder holds something else than an export.
    """
    site = explorer.site()
    with Progress("exporting", total=site.num_rows, unit="rows") as progress:
        report = export_site(site, out, PAGE, progress.advance)
    for key, reason in list(report.broken.items())[:MAX_LINES]:
        echo(f"left out: {key}: {reason}")
    if len(report.broken) > MAX_LINES:
        echo(f"left out: {len(report.broken) - MAX_LINES} more")
    echo(
        f"{out}: {_count(explorer.source)}; {report.written} written, {report.unchanged} unchanged"
    )
    echo(
        f"look at it with `python -m http.server -d {out}`, or copy it to a web server or a bucket"
    )


def _known_directions(path: Path) -> KnownDirections:
    from yt360.explore.layers.directions import KnownDirections  # it imports torch

    return KnownDirections.open(path)


def _open_runs(runs: Sequence[Path], dataset: Path) -> dict[str, Run]:
    from yt360.explore.layers.runs import open_runs

    return open_runs(runs, dataset)


def _scores_of(source: Source, runs: Mapping[str, Run]) -> Scores:
    from yt360.buckets.cache import cache_folder
    from yt360.shards.format.dataset_info import DatasetInfo

    assert source.folder is not None
    splits = DatasetInfo.load(source.folder).splits
    content = [[name, [shard.sha256 for shard in splits[name].shards]] for name in sorted(splits)]
    return Scores(source, runs, ModelLock(), cache_folder() / "scores", json.dumps(content))


def _warm_up(decoding: Decoding) -> None:
    with suppress(BadItem):  # the server is stopping already
        decoding.call("warm-up", warm_up)


class _Opened:
    """Progress of opening media files."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def advance(self, number: int, total: int) -> None:
        """Count one file."""
        self._progress = self._progress or Progress("opening", total=total, unit="files")
        self._progress.advance()
        if number == total:
            self._progress.__exit__(None, None, None)


def _review_of(place: str) -> ReviewService | None:
    if (url := as_url(place)) is not None:
        return None if is_read_only(url) else ReviewService(BucketLog.at(url))
    path = Path(place)
    if is_catalog(path):
        return ReviewService(CatalogStore(path))
    return ReviewService(ReviewLog.of_folder(path if path.is_dir() else path.parent))


def _count(source: Source) -> str:
    return f"{source.num_clips} clips, {source.num_rejected} left out"


def _login_name() -> str:
    """Return the name of the user, to sign decisions with; empty if it is not known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
