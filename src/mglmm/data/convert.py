"""From a data set's own files to `samples.jsonl`, and the check of such a file."""

import inspect
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from mglmm import __version__
from mglmm.data.blocks import BLOCK_RECORDS, Task, Walk, blocks
from mglmm.data.journal import Journal
from mglmm.data.readers import READERS, Reader
from mglmm.data.readers.policy import MAX_SHOWN, first_mistake, record_mistakes
from mglmm.data.records import Address, Line, check_picture, folder_of, lines, watched
from mglmm.schema import Sample, UserError

COMMON_OPTIONS = ("root", "split", "on_bad")
"""Parameters that every reader has and that are not given as key=value."""


@dataclass(frozen=True)
class Converted:
    """How many samples were written, and how many of them by an interrupted run before; how many records were left out.

    `mistakes`: why the first `MAX_SHOWN` of those were.
    """

    count: int
    num_skipped: int
    mistakes: Sequence[str]
    num_kept: int = 0


def convert(
    reader: str,
    root: Path,
    split: str,
    out: Path,
    skip_bad: bool = False,
    options: Sequence[str] = (),
    workers: int | None = 1,
) -> Converted:
    """Write the samples of a split to `out`, the images' paths relative to its folder. On an error `out` stays as is.

    The same call goes on where Ctrl-C, an error or a kill has ended the one before, if its last records still read the
    same; with `skip_bad` also if the one before was without.

    Args:
        skip_bad: leave broken records out and count them.
        options: "key=value" for the reader's own parameters.
        workers: processes; the file is the same with any number. None: see `blocks`.

    Raises:
        UserError: an unknown reader or option, a missing or broken file, a broken record (unless `skip_bad`), no sample
            at all, or `out` cannot be written, or another run writes it.
    """
    if reader not in READERS:
        raise UserError(f"no reader {reader!r}; there are {', '.join(READERS)}")
    task = Task(reader, root, split, out.parent, reader_options(reader, READERS[reader], options), skip_bad)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; --root names the folder of the data set")
    with Journal(out, _identity(task), skip_bad) as journal:
        if journal.num_blocks and not journal.ends_with(Walk(task).block(journal.num_blocks - 1)):
            journal.restart()
        num_kept = journal.num_samples
        with _progress() as shown:
            bar = shown.add_task(reader, total=None, completed=num_kept)
            for block in blocks(task, journal.num_blocks, workers):
                journal.add(block)
                shown.advance(bar, block.num_samples)
        if not journal.num_samples:
            raise UserError(f"{root}: the split {split!r} holds no {'whole ' if journal.num_skipped else ''}record")
    return Converted(journal.num_samples, journal.num_skipped, journal.mistakes, num_kept)


def _progress() -> Progress:
    """What one sees on the terminal while one waits."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} samples"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _identity(task: Task) -> dict[str, Any]:
    """What a run must have in common with the one that it goes on with."""
    places = {"root": str(task.root.resolve()), "folder": str(task.folder.resolve())}
    same = {**asdict(task), **places, "version": __version__, "block_records": BLOCK_RECORDS}
    del same["skip_bad"]  # the journal knows what has been skipped
    return same


def reader_options(name: str, reader: Reader, options: Sequence[str]) -> dict[str, str | bool]:
    """The keyword arguments that "key=value" texts mean for a reader.

    Raises:
        UserError: not of this form, a key that the reader does not have, or no truth value where one is asked for.
    """
    known = {k: p for k, p in inspect.signature(reader).parameters.items() if k not in COMMON_OPTIONS}
    arguments: dict[str, str | bool] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in known:
            raise UserError(f"{option!r} is no option of {name}; give key=value with one of {', '.join(known)}")
        if isinstance(known[key].default, bool):
            if value not in ("true", "false"):
                raise UserError(f"option {option!r}: give {key}=true or {key}=false")
            arguments[key] = value == "true"
        else:
            arguments[key] = value
    return arguments


@dataclass
class Report:
    """What a file of samples holds, and what is wrong with it."""

    counts: Counter[str] = field(default_factory=Counter)
    num_broken: int = 0
    first: list[str] = field(default_factory=list)
    """The first `MAX_SHOWN` mistakes, each with file, line and record."""

    def add(self, mistakes: Sequence[str]) -> None:
        """Count one record and what is wrong with it."""
        self.counts["records"] += 1
        self.num_broken += bool(mistakes)
        self.first += mistakes[: MAX_SHOWN - len(self.first)]


def check(address: Address, images: bool = True) -> Report:
    """Every record of a file of samples, held against all that `Sample` promises and more.

    More: ids are unique, every image is there and of the size stated (unless `images` is false), no mask and no label
    is empty, scores lie in 0..1, and every answer can be written in the markup and read by the model.

    Raises:
        UserError: the file cannot be read.
    """
    report = Report()
    ids: dict[str, tuple[str, str]] = {}
    folder = folder_of(str(address)) if images else None
    for line in watched(lines(address), str(address)):
        report.add([f"{line.file}, {line.where}{mistake}" for mistake in _mistakes(line, folder, ids, report)])
    return report


def _mistakes(line: Line, folder: str | None, ids: dict[str, tuple[str, str]], report: Report) -> list[str]:
    """What is wrong with one record; `folder`: that of the images, None if they are not looked at."""
    try:
        sample = Sample.model_validate_json(line.raw)
    except ValidationError as error:
        return [f"{_name_of(line.raw)}{first_mistake(error)}"]
    count(sample, report.counts)
    here = (line.file, line.where)
    first = ids.setdefault(sample.id, here)
    found = [] if first == here else [f"the id is that of {first[1] if first[0] == line.file else ', '.join(first)}"]
    found += record_mistakes(sample)
    if folder is not None:
        try:
            check_picture(sample, folder, line.image)
        except UserError as error:
            found.append(str(error))
    return [f", sample {sample.id}: {what}" for what in found]


def _name_of(line: bytes) -> str:
    """ ", sample ID" of a line that is no whole sample, if it tells as much."""
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    return f", sample {record['id']}" if isinstance(record, dict) and "id" in record else ""


def count(sample: Sample, counts: Counter[str]) -> None:
    """Add what a sample holds to the counts."""
    counts["segments"] += len(sample.segments)
    counts["parts"] += sum(s.parent is not None for s in sample.segments)
    counts["turns"] += len(sample.turns)
    for turn in sample.turns:
        counts[f"turns: {turn.task}"] += 1


def summary(counts: Mapping[str, int]) -> str:
    """The counts in one line."""
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
