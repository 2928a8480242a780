"""The commands `mglmm data ...`. As in `cli`, everything heavy is imported inside the commands."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mglmm.arguments import check_writable, positive, shares, whole
from mglmm.schema import UserError

SAMPLES = "SAMPLES"
SAMPLES_HELP = "file of samples, or folder or address of Parquet shards"


def convert(options: argparse.Namespace) -> None:
    """Convert a data set to JSON lines of samples; an unknown reader lists them all."""
    from mglmm.data.convert import convert

    check_writable(options.out)
    arguments = (options.reader, options.root, options.split, options.out)
    try:
        done = convert(*arguments, skip_bad=options.skip_bad, options=options.option, workers=options.workers)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; run the same command again to go on") from None
    for line in done.mistakes:
        print(f"mglmm: skipped: {' '.join(line.split())}", file=sys.stderr)
    left_out = f", {done.num_skipped} broken records left out" if options.skip_bad else ""
    kept = f", the first {done.num_kept} from an interrupted run" if done.num_kept else ""
    print(f"{options.out}: {done.count} samples{left_out}{kept}")


def check(options: argparse.Namespace) -> None:
    """Check every record of a file of samples; exit code 2 if one is broken."""
    from mglmm.data.convert import check, summary

    report = check(options.samples, images=not options.no_images)
    print(f"{options.samples}: {summary(report.counts)}")
    for line in report.first:
        print(line)
    if report.num_broken:
        raise UserError(f"{options.samples}: {report.num_broken} of {report.counts['records']} records are broken")


def stats(options: argparse.Namespace) -> None:
    """Count what a file of samples holds; writes an HTML page, and prints a summary."""
    from mglmm.browse.stats import write_page

    check_writable(options.out)
    for line in write_page(options.samples, options.out, options.tokenizer):
        print(line)
    print(f"page: {options.out}")


def show(options: argparse.Namespace) -> None:
    """Write an HTML page that shows samples with their masks, colored phrases and trees of parts."""
    from mglmm.browse.show import Choice, write_page

    check_writable(options.out)
    choice = Choice(options.limit, options.start, options.seed, frozenset(options.task), tuple(options.id))
    print(f"{options.out}: {write_page(options.samples, options.out, choice)} samples")


def merge(options: argparse.Namespace) -> None:
    """Merge several files of samples into one of JSON lines."""
    from mglmm.data.reshape import merge

    check_writable(options.out)
    print(f"{options.out}: {merge(options.samples, options.out, options.rename)} samples")


def split(options: argparse.Namespace) -> None:
    """Split a file of samples at random by image, the same way for the same seed."""
    from mglmm.data.reshape import split

    counts = split(options.samples, options.out, dict(options.parts), options.seed)
    for part, count in counts.items():
        print(f"{options.out / part}.jsonl: {count} samples")


def export(options: argparse.Namespace) -> None:
    """Write samples in another form; an unknown form lists them all."""
    from mglmm.data import export as forms

    name = options.name or Path(options.samples.rstrip("/")).name.partition(".")[0]
    chosen = forms.Options(name, options.with_images, options.images, options.image_prefix, options.shard_records)
    done = forms.export(options.form, options.samples, options.out, chosen)
    left_out = f", {done.left_out} with nothing to export left out" if done.left_out else ""
    print(f"{options.out}: {done.count} samples{left_out}")


def add_commands(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the parser's `data`; `add(commands, name, function, help)` makes one."""
    _add_convert(add(commands, "convert", convert, "convert a data set; an unknown reader lists them all"))
    command = add(commands, "check", check, "check every record of a file of samples")
    command.add_argument("samples", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument("--no-images", action="store_true", help="the pictures need not be there")

    command = add(commands, "stats", stats, "count what a file of samples holds; writes a page")
    command.add_argument("samples", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument(
        "--out", type=Path, default=Path("stats.html"), metavar="OUT.html", help="(default: %(default)s)"
    )
    command.add_argument("--tokenizer", default="default", metavar="T", help="'default', a tokenizer.json, or a hub id")

    command = add(commands, "show", show, "a page of samples with their masks and colored phrases")
    command.add_argument("samples", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument(
        "--out", type=Path, default=Path("show.html"), metavar="OUT.html", help="(default: %(default)s)"
    )
    command.add_argument("--limit", type=positive, default=24, metavar="N", help="(default: %(default)s)")
    command.add_argument("--start", type=whole, default=0, metavar="K", help="the first record, from 0")
    command.add_argument("--seed", type=whole, metavar="S", help="choose the records at random")
    command.add_argument("--task", action="append", default=[], metavar="T", help="only turns of this task; repeatable")
    command.add_argument("--id", action="append", default=[], metavar="ID", help="only this sample; repeatable")

    command = add(commands, "merge", merge, "make one file of several")
    command.add_argument("samples", nargs="+", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument("--out", type=Path, required=True, metavar="OUT.jsonl")
    command.add_argument("--rename", action="store_true", help="put the file's name before each id")

    command = add(commands, "split", split, "cut a file in parts, by image")
    command.add_argument("samples", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument(
        "--parts", type=shares, nargs="+", required=True, metavar="PART=SHARE", help="as in train=0.9 val=0.1"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--seed", type=whole, default=0, metavar="S", help="(default: %(default)s)")
    _add_export(add(commands, "export", export, "write samples in another form; an unknown one lists them all"))


def _add_convert(command: argparse.ArgumentParser) -> None:
    command.add_argument("reader", metavar="READER")
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the data set")
    command.add_argument("--split", required=True, metavar="S", help="as in train2017, testA or unc/testA")
    command.add_argument("--out", type=Path, required=True, metavar="OUT.jsonl")
    command.add_argument("--skip-bad", action="store_true", help="leave broken records out and count them")
    command.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes (default: one, and after a second as many as processors, at most 8)",
    )
    command.add_argument("--option", action="append", default=[], metavar="key=value", help="of the reader; repeatable")


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("form", metavar="FORM", help="coco, jsonl, label-studio, mgsc or parquet")
    command.add_argument("samples", metavar=SAMPLES, help=SAMPLES_HELP)
    command.add_argument("--out", required=True, metavar="OUT", help="jsonl: the file; the others: the folder")
    command.add_argument("--name", metavar="S", help="of the split, in file names (default: that of the samples)")
    command.add_argument("--with-images", action="store_true", help="embed the images (parquet) or copy them along")
    command.add_argument("--images", default="", metavar="DIR", help="jsonl: folder for images that were embedded")
    command.add_argument(
        "--image-prefix",
        default="/data/local-files/?d=",
        metavar="URL",
        help="label-studio: what stands before an image's path (default: %(default)s)",
    )
    command.add_argument(
        "--shard-records",
        type=positive,
        default=5000,
        metavar="N",
        help="parquet: records a shard (default: %(default)s)",
    )
