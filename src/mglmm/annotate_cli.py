"""The command `mglmm annotate`. As in `cli`, everything heavy is imported inside the command."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mglmm.arguments import positive
from mglmm.schema import UserError


def annotate(options: argparse.Namespace) -> None:
    """Annotate pictures: mask trees, labels, captions and grounded captions; goes on where an earlier run stopped."""
    if options.write_prompts is not None:
        if options.images is not None or options.out is not None:
            raise UserError("--write-prompts only writes the prompts; give it without IMAGES and --out")
        from mglmm.annotate.prompts import write_prompts

        write_prompts(options.write_prompts)
        print(f"{options.write_prompts}: the prompts, to be edited and named with prompts={options.write_prompts}")
        return
    if options.images is None or options.out is None:
        raise UserError("give IMAGES and --out DIR (see mglmm annotate --help)")
    from mglmm.annotate.recipe import AnnotateRecipe, default_recipe
    from mglmm.annotate.run import Part, run
    from mglmm.annotate.summary import lines
    from mglmm.config import load_recipe

    recipe = load_recipe(options.recipe or default_recipe(), AnnotateRecipe, options.set)
    summary = run(
        options.images,
        options.out,
        recipe,
        engine=options.engine,
        limit=options.limit,
        part=Part(*options.part),
        retry=options.retry,
    )
    for line in lines(summary):
        print(line)
    pages = (options.out / name for name in ("summary.html", "review.html"))
    print(f"pages: {', '.join(str(path) for path in pages if path.is_file())}")
    if summary.quarantined:
        from mglmm.phrasing import counted

        told = counted(summary.quarantined, "picture")
        print(f"mglmm: {told} in quarantine; quarantine.jsonl says why", file=sys.stderr)


def share(text: str) -> tuple[int, int]:
    """(number, of) of "number/of", the number from 0 on; for argparse."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give K/N with K from 0 to N - 1, as in 0/8")
    return int(number), int(of)


def add_command(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the parser's; `add(commands, name, function, help)` makes it."""
    command = add(commands, "annotate", annotate, "make multi-granularity data from pictures")
    command.add_argument(
        "images",
        nargs="?",
        metavar="IMAGES",
        help="picture, folder of pictures, file of samples, or world:FIRST:END of the procedural world",
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="folder of the results")
    command.add_argument("--recipe", type=Path, metavar="R.yaml", help="(default: no endpoint, masks as they come)")
    command.add_argument("--set", action="append", default=[], metavar="key=value", help="of the recipe; repeatable")
    command.add_argument("--engine", choices=("local", "ray"), default="local", help="(default: %(default)s)")
    command.add_argument("--limit", type=positive, metavar="N", help="only the first N pictures")
    command.add_argument("--part", type=share, default=(0, 1), metavar="K/N", help="only every N-th picture from K on")
    command.add_argument("--retry", action="store_true", help="try pictures in quarantine again")
    command.add_argument(
        "--write-prompts", type=Path, metavar="DIR", help="write the prompts into a folder to edit them, and end"
    )
