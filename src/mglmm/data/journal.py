"""A file of samples that is written block by block: a run that was interrupted goes on behind the last whole block."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from mglmm.atomic import atomic_file
from mglmm.data.blocks import Block
from mglmm.data.readers.policy import MAX_SHOWN
from mglmm.schema import Record, UserError

PARTIAL, JOURNAL = ".partial", ".partial.json"
"""What the names of the unfinished file and of its journal end with."""

_CHUNK_BYTES = 1 << 20


class Progress(Record):
    """How far a file has been written: `num_bytes` with the sum `crc32` and, of its last block, `last_crc32`.

    `identity`: what it is made of and how; only a run of the same one goes on with it.
    """

    identity: dict[str, Any]
    num_blocks: int = 0
    num_bytes: int = 0
    crc32: int = 0
    last_crc32: int = 0
    num_samples: int = 0
    num_skipped: int = 0
    first_skipped: tuple[str, ...] = ()

    def after(self, block: Block) -> "Progress":
        """When the next block has been written too."""
        return Progress(
            identity=self.identity,
            num_blocks=self.num_blocks + 1,
            num_bytes=self.num_bytes + len(block.lines),
            crc32=zlib.crc32(block.lines, self.crc32),
            last_crc32=zlib.crc32(block.lines),
            num_samples=self.num_samples + block.num_samples,
            num_skipped=self.num_skipped + len(block.mistakes),
            first_skipped=(*self.first_skipped, *block.mistakes)[:MAX_SHOWN],
        )


class Journal:
    """Writes `out`, in a `with` statement; it is there when that has ended well, and as it was before until then.

    Ctrl-C, or being killed, leaves the file under another name with a journal beside it, and the next one of the same
    `identity` begins with what is there. Any error removes both.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self.out = out
        self._partial, self._journal = out.with_name(out.name + PARTIAL), out.with_name(out.name + JOURNAL)
        self.progress = self._fresh = Progress(identity=dict(identity))

    def __enter__(self) -> Self:
        """Open the file behind the last block that is known to be whole."""
        self.progress = self._kept()
        try:
            self._file = self._partial.open("r+b" if self.progress.num_blocks else "wb")
            self._cut()
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        """Put the file in its place, or leave it, or remove it."""
        self._file.close()
        if kind is None:
            self._partial.replace(self.out)
        elif issubclass(kind, Exception):
            self._partial.unlink(missing_ok=True)
        else:
            return
        self._journal.unlink(missing_ok=True)

    def add(self, block: Block) -> None:
        """Write the next block; UserError if it cannot be."""
        try:
            self._file.write(block.lines)
            self._file.flush()
            self.progress = self.progress.after(block)
            with atomic_file(self._journal) as file:
                file.write(self.progress.model_dump_json())
        except OSError as error:
            raise self._unwritable(error) from error

    def ends_with(self, block: Block) -> bool:
        """Whether this is the last block that was written."""
        return zlib.crc32(block.lines) == self.progress.last_crc32

    def restart(self) -> None:
        """Begin anew."""
        self.progress = self._fresh
        self._cut()

    def _cut(self) -> None:
        """Drop what stands behind the last block."""
        self._file.truncate(self.progress.num_bytes)
        self._file.seek(self.progress.num_bytes)

    def _kept(self) -> Progress:
        """How far an interrupted run of the same identity has come, if what it has written is still there."""
        try:
            kept = Progress.model_validate_json(self._journal.read_bytes())
        except (OSError, ValidationError):  # there is none, or it is damaged
            return self._fresh
        return kept if kept.identity == self._fresh.identity and self._holds(kept) else self._fresh

    def _holds(self, progress: Progress) -> bool:
        """Whether the unfinished file begins with these bytes."""
        crc, left = 0, progress.num_bytes
        try:
            with self._partial.open("rb") as file:
                while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                    crc, left = zlib.crc32(chunk, crc), left - len(chunk)
        except OSError:
            return False
        return not left and crc == progress.crc32

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"{self.out}: cannot be written ({error.strerror})")
