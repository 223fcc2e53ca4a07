"""The option ``kinetics_weights`` of evaluations that take the model ``kinetics``."""

from __future__ import annotations

from pathlib import Path

from avsa.evals.subject import KINETICS, Evaluated
from avsa.models.kinetics import default_weights, load_kinetics
from yt360.errors import UserError
from yt360.files import sha256_of


def describe_kinetics(subject: Evaluated, weights: Path | None) -> dict[str, str]:
    """Return the fingerprint of the weights of ``kinetics``; of other models nothing.

    Args:
        subject: The model.
        weights: The file; None for its usual place.

    Raises:
        UserError: ``"conflict"``: A file is given for another model. Or the reasons of
            `avsa.models.kinetics.load_kinetics`.
    """
    if subject.name == KINETICS:
        load_kinetics(weights)
        return {"kinetics weights": sha256_of(weights or default_weights())}
    if weights is not None:
        raise UserError(
            f"--kinetics-weights is for the model {KINETICS!r} only, not for {subject.name}; leave "
            "it out",
            "conflict",
            "--kinetics-weights",
        )
    return {}
