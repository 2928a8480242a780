"""What the annotation pipeline takes itself: `benchmarks/annotate.py` with `endpoint` and `workers`."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from mglmm.annotate.engine import Processes
from mglmm.annotate.recipe import AnnotateRecipe
from mglmm.annotate.run import run
from mglmm.annotate.sources import open_source
from mglmm.annotate.stages import Prepare

ROOT = Path(__file__).resolve().parents[1]
CALL_S, CONCURRENCY = 0.2, 16
FIRST_SEED = 2**30 + 30_000
"""Held-out pictures that nobody chose."""


def measure_endpoint(images: int, out: Path) -> dict[str, Any]:
    """What a run takes beyond its calls, against an endpoint that takes `CALL_S` for every one.

    The own share is what of the wall time is left beside the ideal schedule of the calls: their time at the endpoint
    (from when a request is there until it is answered), divided by the concurrency. Everything counts: to start, to
    prepare pictures, to ask, to wait for the last calls, to export.

    A loop that does nothing but send as many requests of the same size is measured too, half of it before and half of
    it after the run: what the run takes beyond that is what the pipeline adds to its calls on this very machine.
    """
    port = 18_765
    command = [sys.executable, "-m", "tests.annotate.server", str(port), str(CALL_S)]
    endpoint = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_for(port)
        url = f"http://127.0.0.1:{port}/v1"
        options = {"base_url": url, "model": "slow", "concurrency": CONCURRENCY}
        values = {"endpoints": {"slow": options}, "label": "slow", "compose": "slow", "export": {"forms": []}}
        recipe = AnnotateRecipe.model_validate(values)
        shutil.rmtree(out / "endpoint", ignore_errors=True)
        run(f"world:{FIRST_SEED}:{FIRST_SEED + 10}", out / "endpoint" / "warm", recipe)
        known = _served(url)
        size, half = round(known["bytes"] / known["calls"]), 13 * images
        bare = asyncio.run(_bare_loop(port, size, half))
        before, start, cpu = _served(url), time.perf_counter(), time.process_time()
        summary = run(f"world:{FIRST_SEED}:{FIRST_SEED + images}", out / "endpoint" / "run", recipe)
        seconds, asking = time.perf_counter() - start, time.process_time() - cpu
        busy = _served(url)["seconds"] - before["seconds"]
        bare += asyncio.run(_bare_loop(port, size, half))
    finally:
        endpoint.terminate()
        endpoint.wait()
    ideal = busy / CONCURRENCY
    loop = bare / (2 * half) * summary.calls
    return {
        "images": images,
        "calls": summary.calls,
        "bytes a call": size,
        "seconds": round(seconds, 2),
        "seconds of a call at the endpoint": round(busy / summary.calls, 4),
        "seconds of the calls alone": round(ideal, 2),
        "own share of the wall time": round(1 - ideal / seconds, 4),
        "seconds of a loop that only asks": round(loop, 2),
        "share beyond that loop": round(1 - loop / seconds, 4),
        "CPU seconds of the process that asks": round(asking, 2),
        "the same, ms a call": round(1000 * asking / summary.calls, 2),
        "load of the machine": os.getloadavg()[0],
    }


async def _bare_loop(port: int, size: int, calls: int) -> float:
    """Seconds for so many calls of `size` bytes, `CONCURRENCY` at once, over plain sockets."""
    body = json.dumps({"model": "bare", "messages": [{"role": "user", "content": [{"text": "x" * size}]}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    left = iter(range(calls))

    async def _one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(head + body)
            headers = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", headers)
            assert length is not None
            await reader.readexactly(int(length[1]))
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(_one() for _ in range(CONCURRENCY)))
    return time.perf_counter() - start


def _served(url: str) -> dict[str, float]:
    """Calls, bytes and seconds that the endpoint of the tests has had so far."""
    with urllib.request.urlopen(url) as answer:
        served: dict[str, float] = json.load(answer)
    return served


def measure_workers(images: int, out: Path) -> dict[str, Any]:
    """Pictures a second of the region hierarchy with one and two processes, without the time to start them."""
    found: dict[str, Any] = {"load of the machine": os.getloadavg()[0]}
    values = {"proposals": {"kind": "regions"}, "embedded": {"model": None}}
    prepare = Prepare(
        open_source(f"world:{FIRST_SEED}:{FIRST_SEED + images}@512", out / "workers"),
        AnnotateRecipe.model_validate(values),
        views=True,
        picture=False,
    )
    for engine in ("local", "ray"):
        seconds = {count: asyncio.run(_timed(engine, prepare, count, images)) for count in (1, 2)}
        found[engine] = {f"{count} processes": round(images / s, 2) for count, s in seconds.items()}
        found[engine]["times one process"] = round(seconds[1] / seconds[2], 2)
    return found


async def _timed(engine: str, prepare: Prepare, count: int, images: int) -> float:
    """Seconds for all scenes, after as many as there are processes."""
    from mglmm.annotate.engine_ray import RayTasks

    workers = Processes(prepare, count) if engine == "local" else RayTasks(prepare, count)
    try:
        await asyncio.gather(*(workers.submit(k) for k in range(2 * count)))
        start = time.perf_counter()
        await asyncio.gather(*(workers.submit(k) for k in range(images)))
        return time.perf_counter() - start
    finally:
        workers.close()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")
