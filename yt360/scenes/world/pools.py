"""Pools of instances, so that scenes for training and for testing share none.

What varies within a class or a kind of place belongs to an instance: one look, one voice, one
place, one room, one ambience. In the pool ``all``, every scene draws instances of its own. The
pools ``train`` and ``test`` have a limited number of instances of each kind, which scenes reuse, as
clips of real recordings do; instances with even numbers are in ``train``, with odd ones in
``test``. Instances do not depend on the seed of the scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yt360.randomness import keyed_generator
from yt360.scenes.world.parameters import PoolName

Generator = np.random.Generator


@dataclass(frozen=True)
class Pool:
    """A pool of instances.

    Attributes:
        name: ``all``, ``train`` or ``test``.
        instances: Number of instances of each kind, in the pools ``train`` and ``test``.
    """

    name: PoolName
    instances: int

    def draw(self, generator: Generator, *kind: str) -> Generator:
        """Return the source of the values of an instance.

        Args:
            generator: The scene's own source of randomness, which chooses the instance; in the pool
                ``all``, it is returned and draws a new one.
            kind: Kind of the instance, such as ``"voice", "bird"``.
        """
        if self.name == "all":
            return generator
        number = 2 * int(generator.integers(self.instances)) + (self.name == "test")
        return keyed_generator("instance", *kind, number)


def scene_key(seed: int, index: int, pool: PoolName) -> tuple[int | str, ...]:
    """Return the beginning of the keys of a scene's generators.

    Scenes of one seed and index in different pools differ in everything.
    """
    return ("scene", seed, index) if pool == "all" else ("scene", seed, index, pool)
