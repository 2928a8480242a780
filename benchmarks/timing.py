"""How the benchmarks measure and print: the fastest of several runs, side by side in one process; tables."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch


def fastest(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest time of several runs in seconds, and what the last one returned."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def in_turns(ways: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The shortest time of each way and its last result; the ways take turns, so that all see the same machine."""
    seconds = dict.fromkeys(ways, float("inf"))
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            taken, results[name] = fastest(way, 1)
            seconds[name] = min(seconds[name], taken)
    return seconds, results


def peak_mb() -> float:
    """The most memory that this process has held, in MB: of the GPU where there is one, else of the machine (Linux)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # not getrusage: a child begins there with the peak of its parent
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown.

    >>> print(table(["way", "s"], [["ours", "0.1"]]))
    | way | s |
    |---|---|
    | ours | 0.1 |
    """
    lines = [header, ["---"] * len(header), *rows]
    text = ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    text[1] = "|" + "|".join("---" for _ in header) + "|"
    return "\n".join(text)
