"""Probes of frozen features: heads of scikit-learn that predict classes or angles.

Angles are predicted as sine and cosine, and errors are taken around the circle, in degrees. Shapes:
N samples for training, M for testing, D features.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[Any]
Head = Literal["linear", "k-nn", "constant"]
HEADS: tuple[Head, ...] = ("linear", "k-nn")
"""The probes. ``constant``, their control, predicts the majority class or the mean direction."""


def probe(
    head: Head,
    features: tuple[Values, Values],
    values: tuple[Values, Values],
    is_angle: bool,
    regularization: float = 1.0,
    neighbors: int = 10,
) -> NDArray[np.float64]:
    """Train a head on features, standardized by those for training, and test it.

    Args:
        head: ``linear``: logistic regression or ridge regression; ``k-nn``: the vote or mean of the
            nearest neighbours; ``constant``: the majority class or the mean.
        features: (N, D) for training, (M, D) for testing.
        values: Classes or angles in radians, (N,) and (M,).
        is_angle: Whether they are angles.
        regularization: Weight of the squared norm of the weights of ``linear``.
        neighbors: Neighbours of ``k-nn``.

    Returns:
        (M,): 1 for a hit and 0 for a miss; for angles the error in degrees, 0 to 180.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (train, test), (known, truth) = features, values
    model = make_pipeline(
        StandardScaler(), _model(head, is_angle, regularization, min(neighbors, len(train)))
    )
    if not is_angle:
        return np.asarray(model.fit(train, known).predict(test) == truth, np.float64)
    sine, cosine = model.fit(train, np.stack([np.sin(known), np.cos(known)], 1)).predict(test).T
    return np.abs(np.degrees(wrapped(np.arctan2(sine, cosine) - truth)))


def _model(head: Head, is_angle: bool, regularization: float, neighbors: int) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if head == "linear":
        if is_angle:
            return Ridge(alpha=regularization)
        return LogisticRegression(C=1 / regularization, max_iter=1000)
    if head == "k-nn":
        return (KNeighborsRegressor if is_angle else KNeighborsClassifier)(neighbors)
    return DummyRegressor() if is_angle else DummyClassifier(strategy="most_frequent")


def wrapped(angles: Values) -> Values:
    """Return angles in radians in [-pi, pi)."""
    return np.asarray((angles + np.pi) % (2 * np.pi) - np.pi)
