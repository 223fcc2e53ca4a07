"""Why a video could not be had, and what to do about it.

yt-dlp raises one exception for everything. Here its parts (the HTTP status, the transport error,
the words of the site) become one of eight kinds, each with one policy, and a short reason to count
by. The words are those that YouTube's player answers and yt-dlp passes on.
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

from yt360.terminal.text import printable


class Kind(Enum):
    """What a failure means for the video and for the run."""

    GONE = "gone"
    """Removed, private, terminated: nobody gets it; final."""
    NOT_HERE = "not-here"
    """Region, age, login, payment: not for us as we ask now; final until asked otherwise."""
    LATER = "later"
    """Live or announced: there will be a recording."""
    SLOW_DOWN = "slow-down"
    """The site asks for a pause: the whole run waits, the video loses no try."""
    REFUSED = "refused"
    """A 403: often an expired address. Tried again; a burst of them is a "slow down"."""
    BROKEN = "broken"
    """Truncated, empty, reset, 5xx, timeout: tried again after a pause that doubles."""
    UNSUITABLE = "unsuitable"
    """There, but not what is wanted; final."""
    LOCAL = "local"
    """Our own: disk full, no permission, a wrong cookie file or proxy. The run stops."""


@dataclass(frozen=True)
class Failure:
    """A failure with its policy.

    Attributes:
        reason: Short fixed slug to count by.
        detail: What was said, in one line.
        retry_after_s: What a ``Retry-After`` header asked for, or the time to an announced start.
    """

    kind: Kind
    reason: str
    detail: str
    retry_after_s: float | None = None


class Unsuitable(Exception):
    """A filter or the choice of formats says no."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class NotYet(Exception):
    """There will be a recording, but there is none now.

    Attributes:
        begins_at: When the broadcast is announced to begin, in seconds since 1970; None if unknown.
    """

    def __init__(self, reason: str, detail: str, begins_at: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.begins_at = reason, detail, begins_at


class Damaged(Exception):
    """What was downloaded is not whole."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


# The first pattern that matches decides, so the narrower ones stand first. A word that may end
# another one ("current or", "design in", "1000 bytes") is asked for from its beginning.
_WORDS: tuple[tuple[str, Kind, str], ...] = (
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
    (re.compile(words, re.IGNORECASE), kind, reason) for words, kind, reason in _WORDS
)
# What a message names rather than says: the id in front of it, and addresses.
_NAMES = re.compile(r"^\[\S+\] (\S+: )?|\bhttps?://\S+", re.IGNORECASE)
_LONGEST_PAUSE_S = 7 * 86400.0
_SECONDS_OF = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_LOCAL_ERRNOS = {
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-full",
    errno.EFBIG: "disk-full",
    errno.EACCES: "not-writable",
    errno.EROFS: "not-writable",
    errno.EMFILE: "too-many-files",
}


def classify(error: BaseException, seen: Iterable[RequestError] = ()) -> Failure:
    """Say what an exception of a download means.

    Args:
        error: What yt-dlp (or our own code inside it) raised.
        seen: Errors of requests while it worked. yt-dlp swallows those of single player clients,
            and a swallowed 429 or a network that is down must not pass for "no formats".
    """
    detail = _one_line(error)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, Unsuitable):
            return Failure(Kind.UNSUITABLE, cause.reason, cause.detail)
        if isinstance(cause, NotYet):
            wait_s = None if cause.begins_at is None else max(0.0, cause.begins_at - time.time())
            return Failure(Kind.LATER, cause.reason, cause.detail, wait_s)
        if isinstance(cause, Damaged):
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
    if status:  # when yt-dlp gives up after retries it keeps the words only
        return _of_status(int(status[1]), None, detail)
    transport = [str(cause) for cause in causes if isinstance(cause, TransportError)]
    said = _of_words(" ".join([detail, *transport]))
    if said.reason in ("no-formats", "unknown"):
        said = _of_swallowed(list(seen), detail) or said
    if said.kind is Kind.LATER:
        return Failure(said.kind, said.reason, detail, announced_s(detail))
    if said.reason == "unknown" and transport:
        return Failure(Kind.BROKEN, "connection", detail)
    return Failure(said.kind, said.reason, detail, said.retry_after_s)


def _of_swallowed(seen: list[RequestError], detail: str) -> Failure | None:
    """Say what errors that yt-dlp kept to itself mean, or None when there are none."""
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


def _of_words(detail: str) -> Failure:
    text = _NAMES.sub("", detail.replace("’", "'"))
    for pattern, kind, reason in _COMPILED:
        if pattern.search(text):
            return Failure(kind, reason, detail)
    return Failure(Kind.BROKEN, "unknown", detail)


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (a number or an HTTP date).

    Nobody is waited for longer than a week.
    """
    value = (headers.get("Retry-After") or "").strip()
    if not value:
        return None
    try:
        if value.isdecimal():
            seconds = float(value)
        else:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now()
        return min(max(0.0, seconds), _LONGEST_PAUSE_S)
    except (ValueError, TypeError, OverflowError):
        return None


def announced_s(text: str) -> float | None:
    """Return the seconds of "Premieres in 3 hours" and the like, or None without such words."""
    found = re.search(r"\bin (an?|\d{1,4}) (minute|hour|day|week)", text, re.IGNORECASE)
    if not found:
        return None
    count = int(found[1]) if found[1].isdigit() else 1
    return float(count * _SECONDS_OF[found[2].lower()])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that led to it, each once."""
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
