"""The records of a data set in blocks: each is built by whichever process is free, all are told in order."""

import gc
import itertools
import signal
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter

from mglmm import processes
from mglmm.data.readers import READERS, refuse
from mglmm.data.records import mover
from mglmm.schema import Sample, UserError

BLOCK_RECORDS = 32
"""Records of a block. Ours: those of SA-1B then take 20 ms to build and less than 1 ms to hand over."""

ALONE_S = 1.0
"""So long one process works before others join it, unless it is told how many. Ours: starting them takes as long."""

MAX_WORKERS = 8
"""So many processes, unless it is told how many. Ours: together they hold some 0.7 GB, and what each reader holds."""

YOUNG_OBJECTS = 20_000
"""So many are made before garbage is looked for in them. Ours: a record of SA-1B makes a thousand, and no garbage."""

KEPT_BYTES = 1 << 25
"""So much memory stays with a process between two records. Ours: four times what a picture of 480 x 640 needs."""

_SAMPLE = TypeAdapter(Sample)
"""Writes a sample as bytes; `model_dump_json` gives text, which would have to be encoded again."""


@dataclass(frozen=True)
class Task:
    """What is read, and how: a split of a data set by the reader of this name, with its options.

    `folder`: the images' paths are made relative to it. `skip_bad`: broken records are left out and told of; otherwise
    the first one is raised.
    """

    reader: str
    root: Path
    split: str
    folder: Path
    options: Mapping[str, str | bool]
    skip_bad: bool = False


class Block(NamedTuple):
    """What has become of `BLOCK_RECORDS` records that follow one another, or of the last ones.

    `lines`: JSON lines of the `num_samples` samples; `mistakes`: why others were left out, in order.
    """

    lines: bytes
    num_samples: int
    mistakes: tuple[str, ...]
    is_last: bool


class Walk:
    """One way through the records of a data set, from the first to the last.

    Raises:
        UserError: as the reader.
    """

    def __init__(self, task: Task) -> None:
        self._mistakes: list[UserError] = []
        on_bad = self._mistakes.append if task.skip_bad else refuse
        self._reading = READERS[task.reader](task.root, task.split, on_bad=on_bad, **task.options)
        self._move = mover(str(task.root), str(task.folder))
        self._number = 0

    def block(self, number: int) -> Block:
        """The block of this number, counted from 0; those before it are passed by, and none can be had again.

        Raises:
            UserError: as the reader; the first broken record, unless those are skipped.
        """
        if number < self._number:
            raise ValueError(f"block {number} was passed by; the next one is {self._number}")
        while self._number < number:
            for _ in self._records():
                pass
            self._mistakes.clear()
        lines, num_records = [], 0
        for record in self._records():
            num_records += 1
            sample = self._reading.sample(record)
            if sample is not None:
                lines.append(_SAMPLE.dump_json(self._move(sample)) + b"\n")
        mistakes = tuple(map(str, self._mistakes))
        self._mistakes.clear()
        return Block(b"".join(lines), len(lines), mistakes, num_records < BLOCK_RECORDS)

    def _records(self) -> Iterator[object]:
        """The records of the next block."""
        self._number += 1
        return itertools.islice(self._reading.records, BLOCK_RECORDS)


def blocks(task: Task, first: int = 0, workers: int | None = 1) -> Iterator[Block]:
    """All blocks in order, from number `first` on; they are the same whoever builds them.

    Args:
        workers: processes that build them; 1: this one. None: as many as there are processors (at most `MAX_WORKERS`),
            but this one alone if it takes no longer than `ALONE_S`.

    Raises:
        UserError: as the reader; the first broken record, unless those are skipped; a process has died.
    """
    numbers = itertools.count(first)
    count = min(processes.num_processors(), MAX_WORKERS) if workers is None else workers
    if count == 1:
        yield from _alone(task, numbers, float("inf"))
    elif workers is not None or not (yield from _alone(task, numbers, ALONE_S)):
        yield from _shared(task, numbers, count)


def _alone(task: Task, numbers: Iterator[int], seconds: float) -> Generator[Block, None, bool]:
    """The blocks of these numbers, built by this process until the time is over; returns whether the last is there."""
    end = time.monotonic() + seconds
    walk = Walk(task)
    with _settled():
        for number in numbers:
            block = walk.block(number)
            yield block
            if block.is_last or time.monotonic() > end:
                break
    return block.is_last


@contextmanager
def _settled() -> Iterator[None]:
    """Garbage is looked for seldom, and not in what is held by now; otherwise that would take a fifth of the time."""
    threshold, is_frozen = gc.get_threshold(), bool(gc.get_freeze_count())
    _settle()
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        if not is_frozen:
            gc.unfreeze()


def _settle() -> None:
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    # glibc keeps twice the largest block that was ever freed; what it hands back to the system after one picture it has
    # to ask for again, page by page, for the next
    np.empty(KEPT_BYTES // 2, dtype=np.uint8)


def _shared(task: Task, numbers: Iterator[int], workers: int) -> Iterator[Block]:
    """The blocks of these numbers, built by processes, each of which walks through all records."""
    with _starting():
        pool = ProcessPoolExecutor(workers, processes.context(__name__), _begin)
    try:
        ahead = deque(_asked(pool, task, number) for number in itertools.islice(numbers, 2 * workers))
        while True:
            block = ahead.popleft().result()
            ahead.append(_asked(pool, task, next(numbers)))
            yield block
            if block.is_last:
                return
    except BrokenProcessPool as error:
        raise UserError(
            "a process that reads the data set has died; if memory is short, give fewer --workers (a Python script "
            'that converts with several must do so below `if __name__ == "__main__":`)'
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _starting() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"no other processes can be started here ({error}); give fewer --workers, or 1") from error


def _asked(pool: ProcessPoolExecutor, task: Task, number: int) -> Future[Block]:
    """The block to come; a process that is missing is started here, not with the pool."""
    with _starting():
        return pool.submit(_block, task, number)


_WALKS: list[Walk] = []
"""The way of this process, once it was asked for a block."""


def _begin() -> None:
    """Nothing; called once in every process."""
    # a block that nobody waits for need not be finished
    processes.work_for_owner(interrupted=signal.SIG_DFL)
    warnings.filterwarnings("ignore", module="PIL")  # as in the command


def _block(task: Task, number: int) -> Block:
    if not _WALKS:
        _WALKS.append(Walk(task))
        _settle()
    return _WALKS[0].block(number)
