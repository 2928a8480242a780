"""Who labels, captions and composes: what every annotator can be asked for."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mglmm.annotate.records import Description, Node, Scene, Task, Usage
from mglmm.annotate.tags import Fault

R = TypeVar("R")

DescriptionFaults = Callable[[Description], list[Fault]]
TextFaults = Callable[[str], list[Fault]]


@dataclass
class Tally:
    """Adds up what the calls for one picture take."""

    usage: Usage = Usage()

    def add(self, **counts: int) -> None:
        """Add to the counts of `Usage`."""
        self.usage += Usage(**counts)


@dataclass(frozen=True)
class Verdict:
    """What a second model says about a description."""

    right: bool
    reason: str


class Annotator(Protocol):
    """Labels, captions and composes. `name` is what the provenance calls it.

    `needs_views`, `needs_picture`: what a `Scene` must hold for it. An answer may be a `Fault`: there is no usable one.
    """

    name: str
    needs_views: bool
    needs_picture: bool

    async def describe(
        self, scene: Scene, nodes: Sequence[Node], faults: DescriptionFaults, tally: Tally
    ) -> list[Description | Fault]:
        """Label and caption of each node; what `faults` finds in one is a reason to try again."""
        ...

    async def compose(self, scene: Scene, task: Task, faults: TextFaults, tally: Tally) -> str | Fault:
        """A caption with tags (`mglmm.annotate.tags`) that tells what the task holds; `faults` as above."""
        ...


class Verifier(Protocol):
    """Says whether descriptions are right."""

    name: str
    needs_views: bool

    async def verify(self, scene: Scene, descriptions: Sequence[Description], tally: Tally) -> list[Verdict | Fault]:
        """A verdict on each description."""
        ...


class AnnotatorDownError(Exception):
    """An annotator does not answer, after all retries: the picture is left for another run."""


class PictureRefusedError(Exception):
    """An annotator answers others, but refuses what is asked about this picture: it goes into quarantine."""


async def together(calls: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """The results of calls that are made at once; if one fails, the others are given up."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done() and (error := task.exception()):
                raise error
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
