"""Addresses of repositories: ``hf://datasets/NAME`` and ``hf://NAME``, with ``@REVISION``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from yt360.errors import UserError

Kind = Literal["dataset", "model"]
SCHEME = "hf://"
_FORMS = {"dataset": "hf://datasets/NAME", "model": "hf://NAME"}
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[\w])?"
_NAME = re.compile(rf"(?:{_PART}/)?{_PART}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class HubAddress:
    """A repository on a hub.

    Attributes:
        kind: What it holds.
        name: ``OWNER/REPOSITORY``; without an owner, the user's own.
        revision: A branch, tag or commit; None for the newest commit of the main branch.
    """

    kind: Kind
    name: str
    revision: str | None = None

    def __str__(self) -> str:
        folder = "datasets/" if self.kind == "dataset" else ""
        at = "" if self.revision is None else f"@{self.revision}"
        return f"{SCHEME}{folder}{self.name}{at}"


def is_address(text: str) -> bool:
    """Return whether a text, or a path made of it (which has one slash less), is an address."""
    return text.startswith(("hf://", "hf:/"))


def parse_address(text: str, kind: Kind, *, revision_allowed: bool = True) -> HubAddress:
    """Parse the address of a repository.

    Args:
        text: Such as ``hf://datasets/me/street-walks`` or ``hf://me/avsa-streets@v1``.
        kind: What it must hold.
        revision_allowed: Whether it may name a revision.

    Raises:
        UserError: ``"invalid"``: It is no such address. ``"unsupported"``: It names a revision,
            and none is allowed.
    """
    rest = re.sub(r"^hf:/{1,2}(?=[^/])", "", text) if is_address(text) else ""
    found: Kind = "dataset" if rest.startswith("datasets/") else "model"
    name, at, revision = rest.removeprefix("datasets/").partition("@")
    if found != kind or not _NAME.fullmatch(name) or (at and not _REVISION.fullmatch(revision)):
        raise UserError(
            f"{text!r} is not the address of a {kind}; give {_FORMS[kind]}, where NAME is "
            "OWNER/REPOSITORY of letters, digits, '-', '_' and '.'",
            key=text,
        )
    if at and not revision_allowed:
        raise UserError(
            f"{text} names a revision; leave out {at}{revision}, for new files go to the main "
            "branch",
            "unsupported",
            text,
        )
    return HubAddress(kind, name, revision or None)
