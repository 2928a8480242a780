"""Measures random access to a large file of samples: time to open it, time for a record, resident memory.

    python benchmarks/records.py --records 1000000 --folder out/records [--parquet]

Writes `--records` samples of six masks and three turns (a hundred of them different) as JSON lines, and with
`--parquet` as shards too; then a new process opens them and reads `--reads` records at random. What counts is the
second round (warm): opening under a second, the median record under a millisecond, resident memory below 300 MB. CPU
time is given beside the clock, since a machine that does other work shows it in the clock alone. The figures are in
docs/log.md.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mglmm.data.records import Records, write_parquet
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn

NUM_DIFFERENT = 100
HEIGHT, WIDTH = 480, 640
NUM_MASKS = 6
LABELS = ("car", "wheel", "person", "tree", "house", "window")


def main() -> None:
    """Write the files if they are not there, and measure each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path("out/records"))
    parser.add_argument("--parquet", action="store_true")
    parser.add_argument("--measure", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.reads)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = options.folder / f"{options.records}.jsonl"
    if not lines.exists():
        write_lines(lines, options.records)
    addresses = [lines]
    if options.parquet:
        addresses.append(options.folder / f"{options.records}-parquet")
        if not addresses[1].exists():
            write_parquet(((sample, None) for sample in samples(options.records)), options.records, addresses[1], "x")
    for address in addresses:
        for round_name in ("first", "warm"):
            command = [sys.executable, __file__, "--measure", str(address), "--reads", str(options.reads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{address}, {round_name}: {done.stdout.strip()}")


def measure(address: str, reads: int) -> dict[str, float]:
    """Seconds to open, milliseconds a record, resident memory in MB; clock and CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    records = Records(address)
    opened = {"open s": time.perf_counter() - clock, "open CPU s": time.process_time() - cpu}
    chosen = np.random.default_rng(0).integers(len(records), size=reads)
    for index in chosen.tolist():  # once, so that the files are in the machine's cache
        assert records[index].id == f"sample-{index}"
    clocks, cpus = [], []
    for index in chosen.tolist():
        clock, cpu = time.perf_counter(), time.process_time()
        assert records[index].size == (HEIGHT, WIDTH)
        clocks.append(1e3 * (time.perf_counter() - clock))
        cpus.append(1e3 * (time.process_time() - cpu))
    status = Path("/proc/self/status").read_text().splitlines()
    memory = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in status if line.startswith(("VmHWM", "VmRSS"))}
    found = {
        **opened,
        "records": len(records),
        "median ms": float(np.median(clocks)),
        "mean CPU ms": float(np.mean(cpus)),
        "resident MB": memory["VmRSS"],
        "peak MB": memory["VmHWM"],
    }
    return {name: round(value, 3) for name, value in found.items()}


def samples(count: int) -> Iterator[Sample]:
    """`count` samples with ids of their own."""
    kinds = [sample(number) for number in range(min(count, NUM_DIFFERENT))]
    for number in range(count):
        yield kinds[number % len(kinds)].model_copy(update={"id": f"sample-{number}"})


def write_lines(path: Path, count: int) -> None:
    """The samples as JSON lines, made of texts: a million in a minute."""
    tails = [sample(number).model_dump_json().removeprefix('{"id":""') for number in range(min(count, NUM_DIFFERENT))]
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(f'{{"id":"sample-{number}"{tails[number % len(tails)]}\n')
    partial.replace(path)


def sample(number: int) -> Sample:
    """A sample with masks of random ellipses and three turns; its id is empty."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    segments = []
    for index in range(NUM_MASKS):
        center_y, center_x = rng.uniform(0, HEIGHT), rng.uniform(0, WIDTH)
        radius_y, radius_x = rng.uniform(20, 150, size=2)
        mask = ((y - center_y) / radius_y) ** 2 + ((x - center_x) / radius_x) ** 2 <= 1
        label = LABELS[int(rng.integers(len(LABELS)))]
        segments.append(Segment(id=index + 1, rle=Rle.from_mask(mask), label=label, caption=f"the {label}"))
    text, spans = "The picture shows", []
    for segment in segments:
        start = len(text) + 1
        text += f" a {segment.label},"
        spans.append(Span(start=start, end=len(text) - 1, segment_ids=(segment.id,)))
    turn = Turn(
        task="gcg", instruction="Describe the image with masks.", answer=GroundedText(text=text, spans=tuple(spans))
    )
    return Sample(
        id="", image=f"images/{number}.jpg", size=(HEIGHT, WIDTH), segments=tuple(segments), turns=(turn,) * 3
    )


if __name__ == "__main__":
    main()
