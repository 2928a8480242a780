"""Measures the conversion of a published checkpoint at its real size: time and memory.

    python -m benchmarks.checkpoint --folder out/checkpoint          # needs 30 GB of disk
    python -m benchmarks.checkpoint --folder out/checkpoint --text-layers 4

Makes a checkpoint in the official layout of MGLMM with the shapes of the published one (LLaVA-1.5 7B, CLIP ViT-L,
SAM ViT-H; random bf16 weights in two `.bin` shards), converts it in a process of its own, and prints seconds, the peak
of the memory that the process owns (anonymous pages; files that are mapped count for nothing, the system takes their
pages back as it needs them), and the peak with those pages. The bar: 14 GB convert within 4 GB of memory. The figures
are in docs/log.md.
"""

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from tests.model.official import FULL, write_checkpoint

from mglmm.model.convert import convert
from mglmm.model.convert.layouts import LAYOUTS

SECONDS_BETWEEN_LOOKS = 0.05


def main() -> None:
    """Make the checkpoint if it is not there, and convert it in another process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("out/checkpoint"))
    parser.add_argument("--text-layers", type=int, default=FULL.text_layers)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.folder / f"layers-{options.text_layers}"
    if options.measure:
        print(json.dumps(measure(root)))
        return
    if not (root / "clip").exists():
        shutil.rmtree(root, ignore_errors=True)
        sizes = dataclasses.replace(FULL, text_layers=options.text_layers)
        write_checkpoint(root, LAYOUTS[0], sizes, num_shards=2, dtype=torch.bfloat16)
    size = sum(path.stat().st_size for path in (root / "checkpoint").iterdir()) / 2**30
    command = [sys.executable, "-m", "benchmarks.checkpoint", "--folder", str(options.folder), "--measure"]
    done = subprocess.run([*command, "--text-layers", str(options.text_layers)], stdout=subprocess.PIPE, check=True)
    print(f"checkpoint of {size:.1f} GB: {json.loads(done.stdout)}")


def measure(root: Path) -> dict[str, float]:
    """Seconds by the clock, and the peaks of memory in GB."""
    before = _memory()
    peaks, done = dict(before), threading.Event()
    watcher = threading.Thread(target=_watch, args=(peaks, done))
    watcher.start()
    output = root / "out"
    shutil.rmtree(output, ignore_errors=True)
    clock = time.perf_counter()
    convert(root / "checkpoint", output)
    seconds = time.perf_counter() - clock
    done.set()
    watcher.join()
    shutil.rmtree(output)
    return {
        "seconds": round(seconds, 1),
        "own GB before": round(before["RssAnon"], 2),
        "own GB": round(peaks["RssAnon"], 2),
        "with mapped files GB": round(peaks["VmRSS"], 2),
    }


def _watch(peaks: dict[str, float], done: threading.Event) -> None:
    while not done.wait(SECONDS_BETWEEN_LOOKS):
        for name, value in _memory().items():
            peaks[name] = max(peaks[name], value)


def _memory() -> dict[str, float]:
    """Resident memory in GB: what the process owns, and all of it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) / 2**20 for name in ("RssAnon", "VmRSS")}


if __name__ == "__main__":
    main()
