"""Work that is done at once or on a thread: in order, and whatever goes wrong is told by its future."""

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor

import pytest

from mglmm.workers import AtOnce, Background, attempt


@pytest.fixture(params=["at once", "background"])
def worker(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with AtOnce() if request.param == "at once" else Background("test") as worker:
        yield worker


def test_work_is_done_and_failures_are_told(worker: Executor) -> None:
    done = [worker.submit(divmod, 7, number) for number in (2, 0, 3)]
    assert [done[0].result(5), done[2].result(5)] == [(3, 1), (2, 1)]
    with pytest.raises(ZeroDivisionError):
        done[1].result(5)


def test_a_failure_keeps_nothing_of_what_failed(worker: Executor) -> None:
    """Not even as long as somebody holds the error."""

    class Large:
        pass

    seen: list[weakref.ref[Large]] = []

    def fail() -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise MemoryError

    failed = worker.submit(fail)
    error = failed.exception(5)
    assert isinstance(error, MemoryError) and error.__traceback__ is not None
    assert seen[0]() is None


def test_one_after_the_other_until_the_end() -> None:
    worker, go_on, begun, done = Background("test"), threading.Event(), threading.Event(), []
    first = worker.submit(lambda: (begun.set(), go_on.wait(5)))
    cancelled, other = worker.submit(done.append, 1), worker.submit(done.append, 2)
    assert begun.wait(5) and cancelled.cancel()
    go_on.set()
    other.result(5)
    assert first.done() and done == [2]
    worker.shutdown()


def test_what_has_not_begun_may_be_dropped() -> None:
    worker, go_on, begun = Background("test"), threading.Event(), threading.Event()
    first = worker.submit(lambda: (begun.set(), go_on.wait(5)))
    other = worker.submit(print)
    assert begun.wait(5)
    worker.shutdown(wait=False, cancel_futures=True)
    go_on.set()
    assert first.result(5)
    with pytest.raises(CancelledError):
        other.result(5)


def test_an_attempt_tells_its_error_and_keeps_nothing() -> None:
    """What was worked on is free as soon as the error is, without the garbage collector."""

    class Picture:
        pass

    def _fail(picture: Picture) -> None:
        raise MemoryError

    picture = Picture()
    alive = weakref.ref(picture)
    gc.disable()
    try:
        error = attempt(_fail, picture)
        assert isinstance(error, MemoryError)
        del error, picture
        assert alive() is None
    finally:
        gc.enable()
    assert attempt(divmod, 7, 2) is None
