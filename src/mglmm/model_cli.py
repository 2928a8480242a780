"""The commands about models themselves: `mglmm convert`, `mglmm build` and `mglmm info`."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from mglmm.arguments import positive, size, whole

if TYPE_CHECKING:
    from mglmm.model.info import ModelInfo

PHASES = {
    "look": "looking at the picture",
    "read": "reading the prompt",
    "answer": "cache of a whole answer",
    "segment": "making the masks",
}
"""`ModelInfo.working_bytes` in words."""


def add_commands(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands; `command` makes the parser of one."""
    parser = command(commands, "convert", convert, "make a model folder of a published checkpoint")
    parser.add_argument("source", type=Path, metavar="SRC", help="its folder: config.json, weights, tokenizer.model")
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--tower", type=Path, metavar="DIR", help="CLIP's folder (default: as the checkpoint names it)")
    parser.add_argument("--lora-alpha", type=float, default=16.0, metavar="A", help="unmerged LoRA (default: 16)")
    parser.add_argument("--mask-decoder-heads", type=positive, default=8, metavar="N", help="of SAM (default: 8)")

    parser = command(commands, "build", build, "make a new model of a language model that sees and a SAM")
    parser.add_argument("--lmm", required=True, metavar="ID", help="image-text-to-text model: a folder, or a hub id")
    parser.add_argument("--sam", required=True, metavar="ID", help="mask model: a folder, or a hub id")
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="of all weights (default: as in each source)"
    )
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the new weights (default: %(default)s)")

    parser = command(commands, "info", info, "what a model is made of, and the memory it needs")
    parser.add_argument("model", metavar="MODEL", help="'default', a folder (configuration files will do), or a hub id")
    parser.add_argument(
        "--image-size", type=size, default=(480, 640), metavar="HxW", help="of the picture asked about (480x640)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def convert(options: argparse.Namespace) -> None:
    """Convert an official checkpoint of MGLMM, GLaMM or LISA into a model folder; nothing in it is run."""
    with Console(stderr=True).status("converting"):
        quiet()
        from mglmm.model.convert import convert as convert_checkpoint

        output = convert_checkpoint(
            options.source, options.output, options.tower, options.lora_alpha, options.mask_decoder_heads
        )
    print(output)


def build(options: argparse.Namespace) -> None:
    """Join a language model that sees with a SAM into a new model folder, to be trained."""
    with Console(stderr=True).status("joining the two models"):
        quiet()
        from mglmm.model.join import build as join

        output = join(options.lmm, options.sam, options.output, options.dtype, options.seed)
    print(output)


def info(options: argparse.Namespace) -> None:
    """Print what a model is made of and the memory it needs, from its configuration alone."""
    with Console(stderr=True).status("counting"):
        quiet()
        from mglmm.model.info import describe

        found = describe(options.model, options.image_size)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        _show(found, Console())


def _show(found: "ModelInfo", console: Console) -> None:
    console.print(f"{found.language_model} + {found.mask_model}", style="bold")
    console.print(_table({part: f"{count:,}" for part, count in found.parameters.items()}, "part", "parameters"))
    types = Table("type of the weights", box=None, pad_edge=False, header_style="dim")
    for name in ("weights", "cache for a token", "peak"):
        types.add_column(name, justify="right")
    for kind, weights in found.weight_bytes.items():
        cache = found.kv_cache_bytes_per_token.get(kind, found.kv_cache_bytes_per_token["bfloat16"])
        peak = "not known" if found.peak_bytes is None else _bytes(found.peak_bytes[kind])
        types.add_row(kind, _bytes(weights), _bytes(cache), peak)
    console.print(types)
    height, width = found.image_size
    if found.image_tokens is None or found.working_bytes is None:
        console.print(f"a picture takes some of {found.max_tokens:,} tokens; how many says the processor, not here")
        return
    console.print(f"a picture of {height} x {width} takes {found.image_tokens:,} of {found.max_tokens:,} tokens")
    console.print(
        _table(
            {PHASES[name]: _bytes(count) for name, count in found.working_bytes.items()},
            "beside the weights",
            "bfloat16",
        )
    )


def _table(rows: Mapping[str, str], *titles: str) -> Table:
    table = Table(titles[0], box=None, pad_edge=False, header_style="dim")
    table.add_column(titles[1], justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _bytes(count: int) -> str:
    """In the largest unit (powers of 1024) that leaves a number of at least 1."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.4g} {unit}"


def quiet() -> None:
    """Libraries keep their progress bars and advice to themselves: stderr is for our one line."""
    import logging
    import warnings

    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    hub_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for library in ("accelerate", "bitsandbytes", "torch.utils._pytree", "torchao"):
        logging.getLogger(library).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
