"""Runs the benchmarks of asking, and writes their tables with machine, versions and date.

    python -m benchmarks [--model default] [--out docs/benchmarks.md]

`make bench` is this: six minutes on two cores for the default model. It needs a C++ compiler (`torch.compile`). The
page is written anew after every script, so that what is measured stays when one is interrupted. The other scripts
(readers, scoring, conversion, annotation, training, serving) measure one claim each and take longer; each says what
in its own text, and the log has their figures.
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from benchmarks.models import MODELS
from rich.console import Console

from mglmm.atomic import atomic_file

SCRIPTS = {"ask": ["--compiled", "--published"], "batch": [], "scale": [], "roofline": []}
"""Script -> what it is given beside the model."""
LIBRARIES = ("mglmm", "torch", "transformers")
ABOUT = """# Benchmarks

Made by `make bench`. Every ratio compares ways that took turns in one run on the same weights; the times themselves are
those of this machine on this day. What each way is stands in `benchmarks/`: *straightforward* is transformers'
`generate`, one conversation at a time, nothing kept between turns, all hidden states kept, the grounding encoder run
for every question; *as published* runs everything again for every token.
"""


def main() -> None:
    """Run every script on every model, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["default"])
    parser.add_argument("--repeats", type=int, default=5, help="the fastest counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    console = Console(stderr=True)
    parts = [ABOUT, f"{machine()}; {options.threads} threads; {datetime.date.today()}."]
    for model in options.model:
        for script, arguments in SCRIPTS.items():
            console.print(f"{script}, {model}")
            command = [sys.executable, "-m", f"benchmarks.{script}", "--model", model, *arguments]
            command += ["--repeats", str(options.repeats), "--threads", str(options.threads)]
            environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
            parts.append(done.stdout.strip())
            with atomic_file(options.out) as file:
                file.write("\n\n".join(part.strip() for part in parts) + "\n")
    console.print(f"{options.out}")


def machine() -> str:
    """Processor, accelerator and versions."""
    names = [f"{os.cpu_count()} CPU cores ({platform.machine()})"]
    if torch.cuda.is_available():
        names.append(torch.cuda.get_device_name())
    return ", ".join(names) + "; " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


if __name__ == "__main__":
    main()
