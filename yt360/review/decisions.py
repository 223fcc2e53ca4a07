"""One decision about a clip, and what all decisions about a clip come to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from yt360.errors import UserError
from yt360.media.names import AUDIO_LAYOUTS
from yt360.untrusted.parsing import parse_json

Action = Literal["keep", "reject", "layout", "orientation", "note", "undo"]
ACTIONS: tuple[Action, ...] = get_args(Action)
MAX_NOTE, MAX_WHO = 2000, 100
MAX_DEG = 180.0
_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,90}$")]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}$")]
Note = Annotated[str, Field(max_length=MAX_NOTE, pattern=_TEXT)]
Who = Annotated[str, Field(max_length=MAX_WHO, pattern=_TEXT)]
Time = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"), AfterValidator(str)
]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision about a clip, or about all clips of a video.

    Attributes:
        id: Unique name.
        key: Key of the clip, or id of the video.
        action: What was decided.
        value: For ``"layout"`` one of `yt360.media.names.AUDIO_LAYOUTS`; for ``"orientation"`` the
            azimuth in degrees, ±180, of the direction that becomes the front; else None.
        note: Text of a note, or the reason of a decision.
        who: Name of the person; empty if unknown.
        when: Time in UTC, such as ``"2026-11-30T01:40:00.000000Z"``. It orders decisions.
        undoes: For ``"undo"`` the id of the decision that it takes back, else None.
    """

    id: Id
    key: Key
    action: Action
    value: float | str | None = None
    note: Note = ""
    who: Who = ""
    when: Time
    undoes: Id | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(problem)

    def _problem(self) -> str | None:
        if self.action == "layout":
            if self.value not in AUDIO_LAYOUTS:
                return f"the audio layout {self.value!r:.60} is none of {', '.join(AUDIO_LAYOUTS)}"
        elif self.action == "orientation":
            is_number = isinstance(self.value, float | int) and not isinstance(self.value, bool)
            if not is_number or not abs(self.value) <= MAX_DEG:  # type: ignore[arg-type]
                return f"the front {self.value!r:.60} is not an azimuth within ±{MAX_DEG:g}°"
        elif self.value is not None:
            return f"{self.action} has no value"
        if (self.action == "undo") != (self.undoes is not None):
            return "an undo, and nothing else, names the decision that it takes back"
        if self.action == "note" and not self.note.strip():
            return "the note is empty"
        return None

    @property
    def order(self) -> tuple[str, str]:
        """Sort key of decisions."""
        return self.when, self.id

    def to_line(self) -> bytes:
        """Return the decision as a line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes | str) -> Decision:
        """Parse a JSON object.

        Raises:
            ValueError: It is not a decision.
        """
        return parse_json(content, cls)


def in_order(decisions: Iterable[Decision]) -> list[Decision]:
    """Return decisions by time, each id once, so that merged copies of a log are one log."""
    return sorted({each.id: each for each in decisions}.values(), key=lambda each: each.order)


def undone_ids(decisions: Iterable[Decision]) -> set[str]:
    """Return the ids of decisions that were taken back."""
    return {each.undoes for each in decisions if each.undoes is not None}


@dataclass(frozen=True)
class Outcome:
    """What the decisions about a key come to: the last standing one of each kind.

    Attributes:
        verdict: The last ``"keep"`` or ``"reject"``.
        layout: The last ``"layout"``.
        orientation: The last ``"orientation"``.
    """

    verdict: Decision | None = None
    layout: Decision | None = None
    orientation: Decision | None = None

    @property
    def rejection(self) -> str | None:
        """Who rejected it, when and why, in one sentence; None if it is not rejected."""
        each = self.verdict
        if each is None or each.action != "reject":
            return None
        by = f" by {' '.join(each.who.split())}" if each.who.strip() else ""
        why = f": {' '.join(each.note.split())}" if each.note.strip() else ""
        return f"rejected{by} on {each.when[:10]}{why}"


def outcomes(decisions: Iterable[Decision]) -> dict[str, Outcome]:
    """Return what decisions come to, by key; keys with notes only are left out."""
    ordered = in_order(decisions)
    undone = undone_ids(ordered)
    kinds = {"keep": "verdict", "reject": "verdict", "layout": "layout"}
    kinds["orientation"] = "orientation"
    found: dict[str, dict[str, Decision]] = {}
    for each in ordered:
        if each.id not in undone and each.action in kinds:
            found.setdefault(each.key, {})[kinds[each.action]] = each
    return {key: Outcome(**each) for key, each in found.items()}


def parse_request(body: dict[str, Any], **given: Any) -> Decision:
    """Return the decision that a page asks for.

    Args:
        body: The request: ``key``, ``action``, ``value``, ``note``, ``who``, and for an undo the
            ``id`` of the decision to take back.
        given: What the page does not decide: ``id`` and ``when``.

    Raises:
        UserError: ``"invalid"``: it is not a decision.
    """
    fields: dict[str, Any] = {
        name: body[name] for name in ("key", "action", "value", "note", "who") if name in body
    }
    if body.get("action") == "undo":
        fields["undoes"] = body.get("id")
    try:
        return Decision.parse(json.dumps({**fields, **given}))
    except (TypeError, ValueError) as error:
        raise UserError(f"this is not a decision: {error}", "invalid", "decision") from None
