"""Files and folders that are there whole or not at all, whatever ends the writing."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_file(path: Path, mode: str = "w", *, shared: bool = False) -> Iterator[IO[Any]]:
    """An open file (UTF-8 unless `mode` has a "b") that takes the place of `path` when the block has ended well.

    Until then it is called PATH.partial; if the block raises, it is removed and `path` stays as it was. `shared`:
    several may write the file at once, each under a name of its own (PATH.KEY.partial); the last to end counts.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial" if shared else f"{path.name}.partial")
    try:
        with partial.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of `path` when the block has ended well, as `atomic_file`.

    What an interrupted run has left under that name is removed first. While the two change places the old one is called
    PATH.old; a kill in between leaves it there, and the next run puts it back.
    """
    partial, old = path.with_name(path.name + ".partial"), path.with_name(path.name + ".old")
    if old.exists() and not path.exists():
        old.rename(path)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def cut_half_line(path: Path) -> None:
    """Remove what stands behind the last line end of `path`, if the file exists."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)
