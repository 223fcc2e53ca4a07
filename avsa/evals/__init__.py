"""Evaluations of a trained model.

An evaluation is an entry of `EVALUATIONS`: a module with a config class, registered by
``@EVALUATIONS.register`` (a user's own, named by ``--plugin``) or by a line in the table below.
"""

from __future__ import annotations

from typing import Any

from yt360.registry import Registry

EVALUATIONS: Registry[Any] = Registry("evaluation", "avsa.evaluations")
"""All evaluations by name; none is built in yet."""
