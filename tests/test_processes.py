"""What is told of processes; that they end with their owner is tested where they work (annotate, data)."""

import os
import signal

import pytest

from mglmm import processes


def test_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= processes.num_processors() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 4}, raising=False)
    assert processes.num_processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processes.num_processors() == 1


def test_the_owner_keeps_its_own_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    processes.work_for_owner(signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is before
