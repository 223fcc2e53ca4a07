"""The configs of all quality checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yt360.errors import UserError
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import CheckConfig

Configs = Mapping[str, CheckConfig]


def configure_checks(settings: Mapping[str, Any] | None = None) -> dict[str, CheckConfig]:
    """Return the configs of all registered checks, including plugins.

    Args:
        settings: ``"check.option"`` -> value; text is converted to the type of the option.

    Raises:
        UserError: A check or an option is unknown, or a value is not allowed.
    """
    given: dict[str, dict[str, Any]] = {}
    for key, value in (settings or {}).items():
        name, dot, option = key.partition(".")
        if not dot:
            raise UserError(
                f"{key!r} is not the option of a quality check, such as still-image.moving_area",
                "unknown-name",
                key,
            )
        given.setdefault(CHECKS[name].name, {})[option] = value
    return {name: CHECKS.configure(name, given.get(name, {})) for name in CHECKS}


def has_user_code(checks: Configs) -> bool:
    """Return whether checks run user code, which has no limits of time and memory."""
    tagger = getattr(checks.get("post-production"), "tagger", None)
    return tagger is not None or any(CHECKS[name].plugin for name in checks)


def rejecting_by_default(checks: Configs) -> tuple[str, ...]:
    """Return the names of the checks whose "not ok" rejects by default."""
    return tuple(name for name, config in checks.items() if getattr(config, "rejects", False))
