"""Classification of download failures.

yt-dlp raises one exception for all failures. `classify` turns its parts (the HTTP status, the
transport error, the site's message) into one of eight kinds, each with one policy, and a short
reason to count by. The messages are those of YouTube's player, which yt-dlp passes on.
"""

from __future__ import annotations

import email.utils
import errno
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError
from yt_dlp.utils import GeoRestrictedError

from yt360.errors import BadItem
from yt360.terminal.text import printable


class Kind(Enum):
    """What a failure means for the video and for the run."""

    GONE = "gone"
    """Removed, private, terminated; final."""
    NOT_HERE = "not-here"
    """Refused by region, age, login or payment; final unless requested with other options."""
    LATER = "later"
    """Live or announced; a recording is expected."""
    SLOW_DOWN = "slow-down"
    """The site demands a pause: the whole run waits, and the attempt does not count."""
    REFUSED = "refused"
    """A 403, often of an expired URL: tried again; several in a row are a "slow down"."""
    BROKEN = "broken"
    """Truncated, empty, reset, 5xx, timeout: tried again after a delay that doubles."""
    UNSUITABLE = "unsuitable"
    """Available, but excluded by a filter or without suitable streams; final."""
    LOCAL = "local"
    """Local: disk full, no permission, a bad cookie file or proxy, or the bucket of the media. The
    run stops."""


@dataclass(frozen=True)
class Failure:
    """A classified failure.

    Attributes:
        kind: Kind of the failure, which determines the policy.
        reason: Code of the failure, such as ``"http-403"``.
        detail: The message, in one line.
        retry_after_s: Seconds of a ``Retry-After`` header, or to an announced start.
    """

    kind: Kind
    reason: str
    detail: str
    retry_after_s: float | None = None


class Unsuitable(BadItem):
    """A filter or the selection of formats excludes the video."""


class NotYet(BadItem):
    """A broadcast is announced or live and has no recording yet.

    Attributes:
        begins_at: Announced start in seconds since 1970; None if unknown.
    """

    def __init__(self, reason: str, detail: str, begins_at: float | None = None) -> None:
        super().__init__(reason, detail)
        self.begins_at = begins_at


class Damaged(BadItem):
    """A downloaded file is incomplete or corrupt."""


class NotStored(Exception):
    """A downloaded file cannot be put where it belongs, which is no fault of the site."""


# The first pattern that matches decides, so narrower patterns come first. A word that may be the
# end of another one ("current or", "design in", "1000 bytes") is matched from its beginning.
_MESSAGES: tuple[tuple[str, Kind, str], ...] = (
    (r"\bnot a bot\b|captcha|page needs to be reloaded", Kind.SLOW_DOWN, "bot-check"),
    (r"try again later|\brate.limit|too many requests", Kind.SLOW_DOWN, "rate-limited"),
    (r"\bmembers[- ]only|channel's members|join this channel", Kind.NOT_HERE, "members"),
    (
        r"requires payment|\brent(al)? or\b|\bpurchase|\bpremium members|\bpaid content",
        Kind.NOT_HERE,
        "paid",
    ),
    (r"confirm your age|\bage[- ]restricted|inappropriate for some users", Kind.NOT_HERE, "age"),
    (
        r"\bin your country|\byour location|\bgeo.?restrict|not available from your",
        Kind.NOT_HERE,
        "geo",
    ),
    (r"\bprivate video|video is private|has been made private", Kind.GONE, "private"),
    (r"\baccount.{0,60}terminated|closed their youtube account", Kind.GONE, "terminated"),
    (r"copyright", Kind.GONE, "copyright"),
    (
        r"\bpremieres? in\b|event will begin|will begin in|is upcoming|not yet aired|"
        r"\boffline\b|check back later|processing this video",
        Kind.LATER,
        "upcoming",
    ),
    (r"\bdrm protected", Kind.UNSUITABLE, "drm"),
    (r"no video formats|only images|requested format", Kind.BROKEN, "no-formats"),
    (
        r"video unavailable|has been removed|violating|no longer available|does not exist|"
        r"isn't available|is not available|not a valid (video )?id|live stream recording",
        Kind.GONE,
        "removed",
    ),
    (r"unsupported proxy|invalid proxy|proxy .{0,99}missing scheme", Kind.LOCAL, "proxy"),
    (r"\bsign in\b|\blog ?in\b|\bcookies\b", Kind.NOT_HERE, "login"),
    (r"unsupported url", Kind.UNSUITABLE, "no-media"),
    (r"\btoo slow: ", Kind.BROKEN, "too-slow"),
    (r"did not get any data|file is empty|\b0 bytes", Kind.BROKEN, "empty"),
    (r"content too short|bytes read|more expected|incomplete", Kind.BROKEN, "truncated"),
    (r"timed ?out|timeout|\btime out\b", Kind.BROKEN, "timeout"),
    (
        r"reset by peer|connection|\bresolve|remote end closed|\b(tls|ssl)",
        Kind.BROKEN,
        "connection",
    ),
    (r"no space left", Kind.LOCAL, "disk-full"),
)
_COMPILED = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, reason) for pattern, kind, reason in _MESSAGES
)
# Parts of a message that are data: the id at its beginning, and URLs.
_NAMES = re.compile(r"^\[\S+\] (\S+: )?|\bhttps?://\S+", re.IGNORECASE)
_MAX_RETRY_AFTER_S = 7 * 86400.0
_SECONDS_OF = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_LOCAL_ERRNOS = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "disk-full",
    errno.EACCES: "not-writable",
    errno.EROFS: "not-writable",
    errno.EMFILE: "too-many-files",
}


def classify(
    error: BaseException,
    seen: Iterable[RequestError] = (),
    now: Callable[[], float] = time.time,
) -> Failure:
    """Classify an exception of a download.

    Args:
        error: An exception of yt-dlp, or of this project's code that yt-dlp called.
        seen: Errors of requests meanwhile. yt-dlp ignores those of single player clients, but a 429
            or a network that is down must not be classified as "no formats".
        now: Returns seconds since 1970.
    """
    detail = _one_line(error)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, NotStored):
            return Failure(Kind.LOCAL, "media-store", detail)
        if isinstance(cause, Unsuitable):
            return Failure(Kind.UNSUITABLE, cause.reason, cause.detail)
        if isinstance(cause, NotYet):
            wait_s = None if cause.begins_at is None else max(0.0, cause.begins_at - now())
            return Failure(Kind.LATER, cause.reason, cause.detail, wait_s)
        if isinstance(cause, BadItem):  # Damaged, or a file that cannot be recorded
            return Failure(Kind.BROKEN, cause.reason, cause.detail)
        if isinstance(cause, GeoRestrictedError):
            return Failure(Kind.NOT_HERE, "geo", detail)
        if isinstance(cause, CookieLoadError):
            return Failure(Kind.LOCAL, "cookies", detail)
    for cause in causes:
        if isinstance(cause, HTTPError):
            return _of_status(cause.status, _pause(cause), detail)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _LOCAL_ERRNOS:
            return Failure(Kind.LOCAL, _LOCAL_ERRNOS[cause.errno], detail)
    status = re.search(r"HTTP Error (\d{3})", detail)
    if status:  # after its retries yt-dlp keeps only the message
        return _of_status(int(status[1]), None, detail)
    transport = [str(cause) for cause in causes if isinstance(cause, TransportError)]
    found = _of_message(" ".join([detail, *transport]))
    if found.reason in ("no-formats", "unknown"):
        found = _of_ignored(list(seen), detail) or found
    if found.kind is Kind.LATER:
        return Failure(found.kind, found.reason, detail, announced_s(detail))
    if found.reason == "unknown" and transport:
        return Failure(Kind.BROKEN, "connection", detail)
    return Failure(found.kind, found.reason, detail, found.retry_after_s)


def _of_ignored(seen: list[RequestError], detail: str) -> Failure | None:
    """Classify errors that yt-dlp ignored; None when there are none."""
    for error in reversed(seen):
        if isinstance(error, HTTPError) and error.status in (403, 429):
            return _of_status(error.status, _pause(error), detail)
    if any(isinstance(error, TransportError) for error in seen):
        return Failure(Kind.BROKEN, "connection", detail)
    return None


def _pause(error: HTTPError) -> float | None:
    return retry_after_s(error.response.headers)


def _of_status(status: int, pause: float | None, detail: str) -> Failure:
    if status == 429 or (status == 503 and pause is not None):
        return Failure(Kind.SLOW_DOWN, f"http-{status}", detail, pause)
    if status == 403:
        return Failure(Kind.REFUSED, "http-403", detail, pause)
    if status in (404, 410):
        return Failure(Kind.GONE, f"http-{status}", detail)
    if status == 401:
        return Failure(Kind.NOT_HERE, "login", detail)
    if status == 451:
        return Failure(Kind.NOT_HERE, "geo", detail)
    return Failure(Kind.BROKEN, "http-5xx" if status >= 500 else f"http-{status}", detail, pause)


def _of_message(detail: str) -> Failure:
    text = _NAMES.sub("", detail.replace("’", "'"))
    for pattern, kind, reason in _COMPILED:
        if pattern.search(text):
            return Failure(kind, reason, detail)
    return Failure(Kind.BROKEN, "unknown", detail)


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds of a ``Retry-After`` header (a number or an HTTP date), a week at most."""
    value = (headers.get("Retry-After") or "").strip()
    if not value:
        return None
    try:
        if value.isdecimal():
            seconds = float(value)
        else:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now()
        return min(max(0.0, seconds), _MAX_RETRY_AFTER_S)
    except (ValueError, TypeError, OverflowError):
        return None


def announced_s(text: str) -> float | None:
    """Return the seconds of an announcement such as "Premieres in 3 hours", or None."""
    found = re.search(r"\bin (an?|\d{1,4}) (minute|hour|day|week)", text, re.IGNORECASE)
    if not found:
        return None
    count = int(found[1]) if found[1].isdigit() else 1
    return float(count * _SECONDS_OF[found[2].lower()])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all of its causes, each once."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        exc_info = getattr(cause, "exc_info", None) or ()
        pending += [
            *(exc_info[1:2]),
            getattr(cause, "cause", None),
            cause.__cause__,
            cause.__context__,
        ]


def _one_line(error: BaseException) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = " ".join(text.split()).removeprefix("ERROR: ").partition("; please report this issue")[0]
    return printable(text)[:500] or type(error).__name__
