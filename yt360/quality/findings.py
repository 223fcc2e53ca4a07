"""The findings on a recording: the verdicts of all checks, stored, read, and judged again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from yt360.catalog.records import Verdict as StoredVerdict
from yt360.media.layout.warnings import LayoutWarning
from yt360.quality.checks import spatial_audio
from yt360.quality.checks.base import (
    CheckConfig,
    Fraction,
    MissingNumber,
    judged,
    measured_with,
)
from yt360.quality.configs import Configs, configure_checks
from yt360.quality.verdict import Outcome, Verdict

_LARGEST_INTEGER = 2**53


@dataclass(kw_only=True)
class Findings:
    """The verdicts of all checks on a recording, and what else its decision depends on.

    Attributes:
        name: Name of the recording.
        verdicts: Verdicts by name of the check, in the order of the registry; checks without input
            are missing.
        layout: Name of the stored channel layout; empty without audio.
        warnings: Contradictions to the audio layout.
        checks: Configs of the checks.
    """

    name: str
    verdicts: dict[str, Verdict]
    layout: str = ""
    warnings: tuple[LayoutWarning, ...] = ()
    checks: Configs = field(default_factory=configure_checks)


class CannotJudge(Exception):
    """Stored measurements do not fit a config; the message says why."""


def to_records(findings: Findings) -> Iterator[StoredVerdict]:
    """Yield the verdicts for the catalog; the one on spatial audio has the layout and warnings."""
    for verdict in findings.verdicts.values():
        values = verdict.as_json()
        facts: dict[str, Any] = {
            key: values[key] for key in ("reason", "detail", "defect_probability")
        }
        facts["measured_with"] = None
        if verdict.is_measured:
            facts["measured_with"] = _plain(measured_with(findings.checks[verdict.name]))
        if verdict.name == spatial_audio.NAME:
            facts["audio_layout"] = findings.layout
            facts["doubts"] = [asdict(warning) for warning in findings.warnings]
        yield StoredVerdict(
            kind=verdict.name,
            verdict=verdict.outcome.value,
            numbers={**facts, **values["numbers"]},
        )


def from_records(name: str, records: Mapping[str, StoredVerdict], checks: Configs) -> Findings:
    """Return stored findings as they were decided, those of older versions included.

    Args:
        name: Name of the recording.
        records: Verdicts from `to_records`, by name of the check.
        checks: Configs, for the order of the verdicts.

    Raises:
        CannotJudge: A record does not hold what every version stores.
    """
    findings = Findings(name=name, verdicts={}, checks=checks)
    for kind in sorted(records, key=lambda kind: [*checks, kind].index(kind)):
        record = records[kind]
        facts = _read({"measured_with": None, **record.numbers}, kind)
        findings.verdicts[kind] = _as_stored(record, facts)
        if kind == spatial_audio.NAME:
            findings.layout, findings.warnings = facts.audio_layout, facts.doubts
    return findings


def judge_again(name: str, records: Mapping[str, StoredVerdict], checks: Configs) -> Findings:
    """Return the findings that stored measurements give with other configs.

    Args:
        name: Name of the recording.
        records: Verdicts from `to_records`, by name of the check. Those of unknown checks are left
            out, and those on facts that are not numbers are kept.
        checks: Configs of the checks.

    Raises:
        CannotJudge: The recording was measured by another version, or with other options.
    """
    verdicts: dict[str, Verdict] = {}
    findings = Findings(name=name, verdicts=verdicts, checks=checks)
    for kind, config in checks.items():
        if kind in records:
            facts = _read(records[kind].numbers, kind)
            verdicts[kind] = _judge_again(records[kind], facts, config, verdicts)
            if kind == spatial_audio.NAME:
                findings.layout, findings.warnings = facts.audio_layout, facts.doubts
    return findings


@dataclass(frozen=True)
class _Facts:
    """What a stored verdict holds beside its measurements."""

    reason: str
    detail: str
    defect_probability: Fraction
    measured_with: dict[str, Any] | None
    audio_layout: str = ""
    doubts: tuple[LayoutWarning, ...] = ()


_FACTS = TypeAdapter(_Facts)


def _read(numbers: Mapping[str, Any], kind: str) -> _Facts:
    try:
        return _FACTS.validate_python(numbers)
    except ValidationError:
        raise CannotJudge(f"{kind} was measured by an older version") from None


def _as_stored(record: StoredVerdict, facts: _Facts) -> Verdict:
    try:
        outcome = Outcome(record.verdict)
    except ValueError:
        raise CannotJudge(f"{record.kind} has no known outcome") from None
    return Verdict(
        name=record.kind,
        outcome=outcome,
        defect_probability=facts.defect_probability,
        reason=facts.reason,
        detail=facts.detail,
        numbers=_numbers(record),
        is_measured=facts.measured_with is not None,
    )


def _judge_again(
    record: StoredVerdict, facts: _Facts, config: CheckConfig, earlier: Mapping[str, Verdict]
) -> Verdict:
    if facts.measured_with is None:
        return _as_stored(record, facts)
    wanted = _plain(measured_with(config))
    for option in wanted:
        if facts.measured_with.get(option) != wanted[option]:
            raise CannotJudge(f"{record.kind} was measured with another {option}")
    try:
        return judged(config, _numbers(record), earlier)
    except (MissingNumber, ArithmeticError, ValueError):
        raise CannotJudge(f"{record.kind} was measured by an older version") from None


def _numbers(record: StoredVerdict) -> dict[str, float]:
    """Return the measurements of a stored verdict."""
    return {
        key: float(value)
        for key, value in record.numbers.items()
        if key != "defect_probability"
        and (type(value) is float or (type(value) is int and abs(value) <= _LARGEST_INTEGER))
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
