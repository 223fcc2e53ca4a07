"""A stand-in for the package ray: actors that run in this process, in a cluster with few places."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class ActorDiedError(Exception):
    pass


class FakeRay:
    """A cluster.

    Args:
        places: Number of actors that fit.
        dies: Whether an actor ends under a task; it is asked with the task's request, unpickled.
        starts: Whether an actor starts, by its number from 0.

    Attributes:
        actors: Every actor that was made.
    """

    def __init__(
        self,
        places: int = 2,
        dies: Callable[[Any], bool] = lambda _: False,
        starts: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.places, self.dies, self.starts = places, dies, starts
        self.actors: list[FakeActor] = []
        self.exceptions = SimpleNamespace(RayError=ActorDiedError)

    def remote(self, _class: type) -> FakeRay:
        return self

    def options(self, **options: Any) -> SimpleNamespace:
        self.chosen = options
        return SimpleNamespace(remote=self._start)

    def wait(self, references: list, num_returns: int, **_: Any) -> tuple[list, list]:
        assert references
        done = [each for each in references if each.actor in self._placed()]
        return done[:num_returns], done[num_returns:]

    def get(self, reference: FakeReference) -> Any:
        return reference.compute()

    def kill(self, actor: FakeActor) -> None:
        actor.is_alive = False

    def _placed(self) -> list[FakeActor]:
        return [actor for actor in self.actors if actor.is_alive][: self.places]

    def _start(self, *_: Any) -> FakeActor:
        self.actors.append(FakeActor(self, len(self.actors)))
        return self.actors[-1]


class FakeActor:
    def __init__(self, ray: FakeRay, number: int) -> None:
        self.is_alive, self._ray, self._number = True, ray, number
        self.ready = SimpleNamespace(remote=lambda: FakeReference(self, self._ready))
        self.call = SimpleNamespace(
            remote=lambda request: FakeReference(self, lambda: self._call(request))
        )

    def _ready(self) -> bool:
        if not self._ray.starts(self._number):
            self._end()
        return True

    def _call(self, request: bytes) -> bytes:
        function, task = pickle.loads(request)
        if self._ray.dies(task):
            self._end()
        try:
            return pickle.dumps((True, function(task)))
        except Exception as error:
            return pickle.dumps((False, error))

    def _end(self) -> None:
        self.is_alive = False
        raise ActorDiedError("its node is gone")


class FakeReference:
    def __init__(self, actor: FakeActor, compute: Callable[[], Any]) -> None:
        self.actor, self.compute = actor, compute
