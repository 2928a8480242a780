"""The engine: processes for what needs no model, asynchronous calls for the rest."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Protocol

from mglmm import processes
from mglmm.annotate.annotator import AnnotatorDownError, PictureRefusedError
from mglmm.annotate.records import Finished, Scene
from mglmm.annotate.sources import Source
from mglmm.annotate.stages import Prepare
from mglmm.annotate.store import Store
from mglmm.phrasing import counted
from mglmm.schema import UserError

Annotate = Callable[[Scene], Awaitable[Finished]]


@dataclass
class Outcome:
    """How a run went: pictures finished and quarantined in it, and those left for another, with the last reason."""

    finished: int = 0
    quarantined: int = 0
    unfinished: list[str] = field(default_factory=list)
    reason: str = ""
    stopped: UserError | None = None


@dataclass
class _Job:
    """A picture under way. `generation`: of the processes that work on it."""

    index: int
    generation: int
    stage: str = "prepare"


class Workers(Protocol):
    """Where scenes are made. `generation` grows when they are replaced."""

    generation: int

    async def submit(self, index: int) -> Scene:
        """The scene of a picture; raises what `Prepare` raises, or that the process has died."""
        ...

    async def begin(self) -> None:
        """Wait until one is there; raises UserError if none can be started."""
        ...

    def restart(self) -> None:
        """Replace them after one has died."""
        ...

    def close(self) -> None:
        """Let them go."""
        ...


class Processes:
    """Processes of this machine; with none (`count` 0) a thread of this one."""

    def __init__(self, prepare: Prepare, count: int) -> None:
        self.prepare, self.count, self.generation = prepare, count, 0
        self.pool = self._started()

    def _started(self) -> Executor:
        if self.count == 0:
            _begin(self.prepare)
            return ThreadPoolExecutor(1)
        return ProcessPoolExecutor(self.count, processes.context(__name__), _begin, (self.prepare,))

    async def submit(self, index: int) -> Scene:
        """See `Workers`; raises BrokenProcessPool for all that are under way when a process dies."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, _prepare, index)

    async def begin(self) -> None:
        """See `Workers`."""
        try:
            await asyncio.get_running_loop().run_in_executor(self.pool, os.getpid)
        except BrokenProcessPool as error:
            raise UserError(
                "the processes that work on the pictures die as they start; a Python script that annotates must do so "
                'below `if __name__ == "__main__":`'
            ) from error

    def restart(self) -> None:
        """See `Workers`."""
        self.close()
        self.generation += 1
        self.pool = self._started()

    def close(self) -> None:
        """See `Workers`."""
        self.pool.shutdown(wait=False, cancel_futures=True)


class Engine:
    """Runs the stages of pictures, several at once; one that fails never stops the others.

    `lookahead`: pictures under way. `give_up_after`: so many in a row that an annotator does not answer, or refuses,
    or that fail in the same words, end the run.
    """

    def __init__(self, source: Source, annotate: Annotate, store: Store, lookahead: int, give_up_after: int) -> None:
        self.source, self.annotate, self.store = source, annotate, store
        self.lookahead, self.give_up_after = lookahead, give_up_after
        self.outcome = Outcome()
        self._in_a_row = self._alike = 0
        self._last_fault = ""
        self._suspects: list[int] = []

    async def run(self, indices: Iterable[int], pool: Workers, done: Callable[[int], None]) -> Outcome:
        """Work on the pictures; `done(index)` is called after each, whatever has become of it."""
        try:
            await pool.begin()
            await self._run(indices, pool, self.lookahead, done)
            # a process died: which of the pictures under way it was is found by doing each alone
            suspects, self._suspects = self._suspects, []
            for index in suspects:
                await self._run([index], pool, 1, done)
                for dead in self._suspects:
                    self._quarantine(dead, "prepare", "the process that worked on it died")
                    done(dead)
                self._suspects = []
        finally:
            pool.close()
        return self.outcome

    async def _run(self, indices: Iterable[int], pool: Workers, most: int, done: Callable[[int], None]) -> None:
        jobs: dict[asyncio.Task[None], _Job] = {}
        rest = iter(indices)
        try:
            while self.outcome.stopped is None:
                while len(jobs) < most and (index := next(rest, None)) is not None:
                    job = _Job(index, pool.generation)
                    jobs[asyncio.create_task(self._one(job, pool))] = job
                if not jobs:
                    return
                ended, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._settle(jobs.pop(task), task.exception(), pool, done)
        finally:
            for task in jobs:
                task.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _one(self, job: _Job, pool: Workers) -> None:
        scene = await pool.submit(job.index)
        job.stage = "annotate"
        finished = await self.annotate(scene)
        job.stage = "write"
        self.store.write(finished)

    def _settle(self, job: _Job, error: BaseException | None, pool: Workers, done: Callable[[int], None]) -> None:
        """Nothing; does what the end of a job asks for."""
        name = self.source.ids[job.index]
        if isinstance(error, BrokenProcessPool):
            self._suspects.append(job.index)
            if job.generation == pool.generation:
                pool.restart()
            return
        if error is None:
            self.outcome.finished += 1
            self._in_a_row = self._alike = 0
        elif isinstance(error, AnnotatorDownError):
            self._leave(name, str(error))
        elif isinstance(error, UserError) and job.stage != "prepare":
            self.outcome.unfinished.append(name)
            self.outcome.stopped = error
        elif isinstance(error, Exception):
            told = isinstance(error, UserError | PictureRefusedError)
            reason = str(error) if told else f"{type(error).__name__}: {error}"
            self._quarantine(job.index, job.stage, " ".join(reason.split()))
            if isinstance(error, PictureRefusedError):
                self._count_in_a_row(str(error))
            else:
                self._count_alike(job.index, " ".join(reason.split()))
        else:
            raise error
        done(job.index)

    def _leave(self, name: str, reason: str) -> None:
        self.outcome.unfinished.append(name)
        self.outcome.reason = reason
        self._count_in_a_row(reason)

    def _count_in_a_row(self, reason: str) -> None:
        """End the run if no picture gets through: what is wrong is then no matter of single pictures."""
        self._in_a_row += 1
        if self._in_a_row >= self.give_up_after:
            self.outcome.stopped = UserError(f"{reason}; given up after {counted(self._in_a_row, 'picture')} in a row")

    def _count_alike(self, index: int, reason: str) -> None:
        """End the run if picture after picture fails in the same words, what names the picture itself left out.

        They stay in quarantine, so that the next run goes on behind them.
        """
        fault = reason.replace(self.source.address(index), "")
        fault = re.sub(rf"(?<!\w){re.escape(self.source.ids[index])}(?!\w)", "", fault)
        self._alike = self._alike + 1 if fault == self._last_fault else 1
        self._last_fault = fault
        if self._alike >= self.give_up_after > 1:
            self.outcome.stopped = UserError(
                f"{reason}; {counted(self._alike, 'picture')} in a row failed alike (give_up_after) and are in "
                "quarantine, --retry tries them again"
            )

    def _quarantine(self, index: int, stage: str, reason: str) -> None:
        self.store.quarantine(self.source.ids[index], stage, reason)
        self.outcome.quarantined += 1
        self.outcome.reason = reason


def num_workers(wanted: int | None, num_pictures: int) -> int:
    """Processes for a run: as many as processors unless told otherwise; none for a handful of pictures."""
    if wanted is not None:
        return wanted
    return min(processes.num_processors(), num_pictures) if num_pictures > 4 else 0


_PREPARED_BY: list[Prepare] = []
"""What the process makes scenes with."""


def _begin(prepare: Prepare) -> None:
    """Nothing; called once in every process."""
    _PREPARED_BY[:] = [prepare]
    # the owner ends the run, and lets what is under way be finished
    processes.work_for_owner(interrupted=signal.SIG_IGN)


def _prepare(index: int) -> Scene:
    return _PREPARED_BY[0](index)
