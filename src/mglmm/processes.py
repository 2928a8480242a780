"""Processes of this machine that work for this one: started without its threads, ended when it ends."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext


def context(module: str) -> BaseContext:
    """How they are started; `module` is imported once, not by every process, where that is possible."""
    # not forked: the threads of numerical libraries do not survive that
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([module])
    return found


def num_processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work_for_owner(interrupted: signal.Handlers) -> None:
    """In a process that works for another one: end as soon as that one has, in whatever way; do nothing in any other.

    Args:
        interrupted: what Ctrl-C does to it, of which the owner hears too.
    """
    owner = multiprocessing.parent_process()
    if owner is not None:
        signal.signal(signal.SIGINT, interrupted)
        threading.Thread(target=_end_with, args=(owner.sentinel,), daemon=True).start()


def _end_with(owner: int) -> None:
    """End this process as soon as that with this sentinel has ended."""
    wait([owner])
    os._exit(1)
