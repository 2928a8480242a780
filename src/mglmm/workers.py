"""For a caller that must not fail with its work: executors that do it at once, or on a thread that lets the interpreter
end. Whatever goes wrong with a piece of work is told by its future, or returned by `attempt`.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Thread
from traceback import clear_frames
from typing import Any


class AtOnce(Executor):
    """Does what it is given before `submit` returns."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            _do(future, lambda: work(*args, **kwargs))
            return future
        finally:
            del future  # see `_do`


class Background(Executor):
    """Does one piece of work after the other, on a thread of its own.

    Unlike the pools of `concurrent.futures`, which refuse work as soon as the interpreter begins to end, it goes on
    until it is shut down.
    """

    def __init__(self, name: str):
        self._given: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._dropping = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that will be done, unless it is cancelled before its turn comes."""
        future: Future[Any] = Future()
        self._given.put((future, lambda: work(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """The end; nothing may be given afterwards. `cancel_futures`: what has not begun is dropped."""
        self._dropping = cancel_futures
        self._given.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        """Whether there was more to do; nothing of it is kept while the next is waited for."""
        given = self._given.get()
        if given is None:
            return False
        if self._dropping:
            given[0].cancel()
        try:
            _do(*given)
            return True
        finally:
            del given  # see `_do`


def attempt(work: Callable[..., Any], *args: Any) -> BaseException | None:
    """Do it now; the `Exception` that it raised, for a caller that goes on without it."""
    return AtOnce().submit(work, *args).exception()


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    """Do it, unless it was cancelled.

    The traceback of an error holds this frame and those that called it, so these must not hold the future, which holds
    the error: nothing would be free before the garbage is collected.
    """
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as error:  # told to whom it concerns
        # what failed for want of memory must not keep any while the error is passed on
        clear_frames(error.__traceback__)
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        del future, work
