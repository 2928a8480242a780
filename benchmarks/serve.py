"""Measures the server over loopback: throughput, latency, and that no answer is wrong, mixed up or lost.

    python -m benchmarks.serve --seconds 180

Starts `mglmm serve` with the model in the package. Questions are turns of the procedural world about held-out pictures;
each has been answered before, one by one, by `Predictor.ask`, and every answer of the server is held against that: the
same text and phrases, and masks that differ in at most 2 % of their union (another order of sums moves single pixels).

* throughput: rounds of one client and of sixteen, now the one first, now the other, each about pictures that the server
  has not seen, after some questions that do not count; counted is what has been answered when a client finds no
  question left. The median ratio of tokens counts. The bar: 2.5.
* endurance: 64 clients, every second one streaming, for `--seconds`; latencies, the first word and the first mask of
  streams, and the server's memory after each quarter of the time.

The client runs on the same machine and takes its share of it. The figures are in docs/log.md.
"""

import argparse
import asyncio
import io
import json
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

import mglmm
from mglmm import masks
from mglmm.predict import Predictor
from mglmm.prediction import ImagePrediction
from mglmm.serve.pictures import data_url
from mglmm.world.samples import world_sample

FIRST_SEED = 1_073_900_000
"""Held out, and used by no other benchmark."""
TURNS_A_PICTURE = 4
MIN_IOU = 0.98
CLIENTS, MANY_CLIENTS = 16, 64


@dataclass(frozen=True)
class Question:
    """A request, and its answer one by one."""

    body: dict[str, Any]
    truth: ImagePrediction


@dataclass
class Load:
    """What came of many requests. `seconds`: name of a moment -> one entry for each answer that has it."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"whole": [], "word": [], "mask": []})
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    tokens: int = 0
    counted: tuple[float, int, int] | None = None
    """Seconds, right answers and tokens when the load was still whole."""

    def count(self, began: float) -> None:
        """From now on there is less load than was to be measured."""
        self.counted = self.counted or (time.perf_counter() - began, self.outcomes["right"], self.tokens)

    @property
    def answers_a_second(self) -> float:
        """Right answers."""
        assert self.counted is not None
        return self.counted[1] / self.counted[0]

    @property
    def tokens_a_second(self) -> float:
        """Tokens of answers."""
        assert self.counted is not None
        return self.counted[2] / self.counted[0]


def main() -> None:
    """Ask one by one, start the server, put load on it, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="of the endurance test (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=24, help="of the endurance test (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput test (default: %(default)s)")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    console = Console()
    seeds = count(FIRST_SEED)
    predictor = mglmm.load(options.model, device="cpu")
    wrong: list[str] = []
    with serving(options.model) as url:
        ratios = []
        asyncio.run(put(url, questions(predictor, seeds, 10), CLIENTS))
        for number in range(options.rounds):
            pictures = {1: 10, CLIENTS: 40}
            loads = {}
            for clients in sorted(pictures, reverse=number % 2 == 1):
                loads[clients] = asyncio.run(put(url, questions(predictor, seeds, pictures[clients]), clients))
                wrong += loads[clients].wrong
            ratios.append(loads[CLIENTS].tokens_a_second / loads[1].tokens_a_second)
            show(console, f"round {number + 1}", {f"{clients} client(s)": load for clients, load in loads.items()})
        console.print(
            f"{CLIENTS} clients are answered {statistics.median(ratios):.2f} times as many tokens as one (median round)"
        )
        asked = questions(predictor, seeds, options.pictures)
        enduring, memory = asyncio.run(endure(url, asked, options.seconds))
        show(console, f"{options.seconds:g} s, {len(asked)} questions", {f"{MANY_CLIENTS} clients": enduring})
        console.print(f"server's memory after each quarter, MiB: {', '.join(f'{size:.0f}' for size in memory)}")
        for line in [*wrong, *enduring.wrong][:10]:
            console.print(f"wrong: {line}", markup=False)


def questions(predictor: Predictor, seeds: Iterator[int], num_pictures: int) -> list[Question]:
    """Turns about the next pictures, with their answers one by one."""
    found = []
    for _ in range(num_pictures):
        image, sample = world_sample(next(seeds))
        content = io.BytesIO()
        image.save(content, "PNG")
        part = {"type": "image_url", "image_url": {"url": data_url(content.getvalue())}}
        step = max(1, len(sample.turns) // TURNS_A_PICTURE)
        for turn in sample.turns[::step][:TURNS_A_PICTURE]:
            text = {"type": "text", "text": turn.instruction}
            body = {"model": "default", "messages": [{"role": "user", "content": [part, text]}]}
            found.append(Question(body, predictor.ask(content.getvalue(), turn.instruction)))
    return found


@contextmanager
def serving(model: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "mglmm", "serve", "--port", "0", "--name", "default", "--model", model]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while "address" not in (line := json.loads(process.stderr.readline())):
                pass
            # what it logs from now on is read, so that it never waits for us
            with subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL):
                try:
                    yield line["address"].removesuffix("/v1")
                finally:  # before `cat` is waited for, which reads to the server's end
                    process.terminate()
                    process.wait()
        finally:
            process.kill()


async def put(url: str, asked: Sequence[Question], num_clients: int) -> Load:
    """Every question once, by so many clients."""
    load, rest = Load(), iter(asked)

    async def client(http: httpx2.AsyncClient) -> None:
        for question in rest:
            await ask(http, question, False, load)
        load.count(began)

    began = time.perf_counter()
    await _all(url, [client] * num_clients)
    return load


async def endure(
    url: str, asked: Sequence[Question], seconds: float, num_clients: int = MANY_CLIENTS
) -> tuple[Load, list[float]]:
    """Questions in turn by many clients for so long; the load, and the server's memory in MiB after each quarter."""
    load, numbers = Load(), count()
    memory: list[float] = []
    began = time.perf_counter()

    async def client(http: httpx2.AsyncClient) -> None:
        while time.perf_counter() - began < seconds:
            number = next(numbers)
            # the step has no divisor in common with the number of questions: all come in any order
            await ask(http, asked[number * 7 % len(asked)], number % 2 == 0, load)
        load.count(began)

    async def watch(http: httpx2.AsyncClient) -> None:
        for quarter in range(1, 5):
            await asyncio.sleep(max(0.0, quarter * seconds / 4 - (time.perf_counter() - began)))
            text = (await http.get("/metrics")).text
            found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
            assert found is not None
            memory.append(float(found[1]) / 2**20)

    await _all(url, [client] * num_clients + [watch])
    return load, memory


async def _all(url: str, clients: Sequence[Any]) -> None:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=300, limits=limits) as http:
        await asyncio.gather(*(client(http) for client in clients))


async def ask(http: httpx2.AsyncClient, question: Question, stream: bool, load: Load) -> None:
    """One request; what came of it goes into the load."""
    began = time.perf_counter()
    moments: dict[str, float] = {}
    text, phrases, ended = "", [], False
    body = {**question.body, "stream": stream, "stream_options": {"include_usage": True}}
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            await response.aread()
            load.outcomes[f"status {response.status_code}"] += 1
            return
        if not stream:
            answer = json.loads(await response.aread())
            load.tokens += answer["usage"]["completion_tokens"]
            choice = answer["choices"][0]
            text, phrases = choice["message"]["content"], choice["message"]["grounding"]["phrases"]
            ended = choice["finish_reason"] == "stop"
        else:
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                if "error" in chunk:
                    load.outcomes[f"error in a stream: {chunk['error']['code']}"] += 1
                    return
                if not chunk["choices"]:
                    load.tokens += chunk["usage"]["completion_tokens"]
                    continue
                choice = chunk["choices"][0]
                delta = choice["delta"]
                found = delta.get("grounding", {}).get("phrases", [])
                if delta.get("content"):
                    moments.setdefault("word", time.perf_counter() - began)
                if found:
                    moments.setdefault("mask", time.perf_counter() - began)
                text, phrases, ended = text + delta.get("content", ""), phrases + found, "finish_reason" in choice
    moments["whole"] = time.perf_counter() - began
    for name, seconds in moments.items():
        load.seconds[name].append(seconds)
    fault = difference(question.truth, text, phrases) if ended else "the answer is not whole"
    load.outcomes["wrong" if fault else "right"] += 1
    if fault:
        load.wrong.append(f"{question.truth.instruction!r}: {fault}")


def difference(truth: ImagePrediction, text: str, phrases: Sequence[dict[str, Any]]) -> str:
    """What is wrong with an answer; nothing if it is that of one by one."""
    if text != truth.answer.text:
        return f"{text!r} is not {truth.answer.text!r}"
    spans = [(phrase["start"], phrase["end"]) for phrase in phrases]
    if spans != [(span.start, span.end) for span in truth.answer.spans]:
        return f"phrases {spans}"
    found = [mask["rle"] for phrase in phrases for mask in phrase["masks"]]
    if len(found) != len(truth.segments):
        return f"{len(found)} masks"
    for rle, segment in zip(found, truth.segments, strict=True):
        ours, theirs = masks.decode(rle), segment.mask
        union = (ours | theirs).sum()
        if union and (ours & theirs).sum() / union < MIN_IOU:
            return f"mask {segment.id} has an IoU of {(ours & theirs).sum() / union:.3f}"
    return ""


def show(console: Console, title: str, loads: dict[str, Load]) -> None:
    """Print a table."""
    table = Table(
        title, "answers/s", "tokens/s", "p50", "p99", "first word p50", "first mask p50", "outcomes", box=None
    )
    for name, load in loads.items():
        whole, word, mask = (load.seconds[key] for key in ("whole", "word", "mask"))
        outcomes = ", ".join(f"{number} {what}" for what, number in sorted(load.outcomes.items()))
        times = [quantile(whole, 0.5), quantile(whole, 0.99), quantile(word, 0.5), quantile(mask, 0.5)]
        table.add_row(name, f"{load.answers_a_second:.2f}", f"{load.tokens_a_second:.0f}", *times, outcomes)
    console.print(table)


def quantile(seconds: Sequence[float], share: float) -> str:
    """The time within which so many of them are, in seconds."""
    if not seconds:
        return "-"
    return f"{sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]:.2f} s"


if __name__ == "__main__":
    main()
