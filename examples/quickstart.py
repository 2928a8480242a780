"""Three instructions about one picture: the whole scene, one thing with its parts, and something that is not there.

`make demo` runs this. Prints the answers with each phrase on the color of its mask and writes the overlays to out/demo.
"""

import logging
import time
from pathlib import Path

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

import mglmm
from mglmm.viz import terminal_text

PICTURE = Path(__file__).parent / "images" / "street.jpg"
OUT = Path("out") / "demo"
INSTRUCTIONS = {
    "whole": "Describe the whole picture in detail, with masks.",
    "part": "Describe the orange scooter in detail, with masks.",
    "absent": "Segment the red bus.",
}


def main() -> None:
    """Ask, print, write."""
    disable_progress_bar()
    # torch's remarks on how torchao, where it is installed, registers its types
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    console = Console()
    OUT.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    model = mglmm.load("default")
    console.print(f"{PICTURE.name}; model loaded in {time.perf_counter() - start:.1f} s", style="dim")
    for name, instruction in INSTRUCTIONS.items():
        start = time.perf_counter()
        answer = model.ask(PICTURE, instruction)
        seconds = time.perf_counter() - start
        path = OUT / f"{name}.png"
        answer.save(path)
        console.print(f"\n> {instruction}", style="bold")
        console.print(terminal_text(answer.answer))
        console.print(f"  {len(answer.segments)} masks, {seconds:.1f} s, {path}", style="dim", highlight=False)


if __name__ == "__main__":
    main()
