"""A file of samples that is written block by block: a run that was interrupted goes on behind the last whole block."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mglmm.data.blocks import Block
from mglmm.schema import Record, UserError

PARTIAL, JOURNAL = ".partial", ".partial.journal"
"""What the names of the unfinished file and of its journal end with."""

_CHUNK_BYTES = 1 << 20


class Entry(Record):
    """A line of the journal: what a block has added, and the sum of all bytes up to its end."""

    num_bytes: int
    crc32: int
    num_samples: int
    mistakes: tuple[str, ...]


class Journal:
    """Writes `out`, in a `with` statement; it is there when that has ended well, and as it was before until then.

    Ctrl-C, or being killed, leaves the file under another name with a journal beside it, and the next one of the same
    `identity` begins with what is there. Any error removes both.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self.out = out
        self._partial, self._journal = out.with_name(out.name + PARTIAL), out.with_name(out.name + JOURNAL)
        self._identity = json.dumps(identity, sort_keys=True).encode() + b"\n"
        self._entries: list[Entry] = []

    @property
    def num_blocks(self) -> int:
        """The number of blocks written."""
        return len(self._entries)

    @property
    def num_samples(self) -> int:
        """The number of samples written."""
        return sum(entry.num_samples for entry in self._entries)

    @property
    def mistakes(self) -> list[str]:
        """Why records were left out, in order."""
        return [mistake for entry in self._entries for mistake in entry.mistakes]

    def __enter__(self) -> Self:
        """Open the file behind the last block that is known to be whole."""
        self._entries = self._kept()
        mode = "r+b" if self._entries else "wb"
        try:
            self._file, self._log = self._partial.open(mode), self._journal.open(mode)
            self._cut()
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        """Put the file in its place, or leave it, or remove it."""
        self._file.close()
        self._log.close()
        if kind is None:
            self._partial.replace(self.out)
        elif issubclass(kind, Exception):
            self._partial.unlink(missing_ok=True)
        else:
            return
        self._journal.unlink(missing_ok=True)

    def add(self, block: Block) -> None:
        """Write the next block; UserError if it cannot be."""
        crc32 = zlib.crc32(block.lines, self._crc32(self.num_blocks))
        entry = Entry(num_bytes=len(block.lines), crc32=crc32, num_samples=block.num_samples, mistakes=block.mistakes)
        try:
            self._file.write(block.lines)
            self._file.flush()
            self._log.write(entry.model_dump_json().encode() + b"\n")
            self._log.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self._entries.append(entry)

    def ends_with(self, block: Block) -> bool:
        """Whether this is the last block that was written."""
        last = self.num_blocks - 1
        return zlib.crc32(block.lines, self._crc32(last)) == self._crc32(last + 1)

    def restart(self) -> None:
        """Begin anew."""
        self._entries = []
        self._cut()

    def _crc32(self, num_blocks: int) -> int:
        """The sum of all bytes of the first blocks."""
        return self._entries[num_blocks - 1].crc32 if num_blocks else 0

    def _cut(self) -> None:
        """Drop what stands behind the last block, in the file and in its journal."""
        self._file.truncate(sum(entry.num_bytes for entry in self._entries))
        self._file.seek(0, 2)
        self._log.truncate(0)
        self._log.seek(0)
        self._log.write(self._identity)
        self._log.writelines(entry.model_dump_json().encode() + b"\n" for entry in self._entries)
        self._log.flush()

    def _kept(self) -> list[Entry]:
        """The entries of an interrupted run of the same identity, if what it has written is still there."""
        try:
            first, *lines = self._journal.read_bytes().splitlines(keepends=True)
            # a kill may leave half a line
            found = [Entry.model_validate_json(line) for line in lines if line.endswith(b"\n")]
        except (OSError, ValueError):  # there is none, it is empty or damaged
            return []
        return found if first == self._identity and self._holds(found) else []

    def _holds(self, entries: list[Entry]) -> bool:
        """Whether the unfinished file begins with these blocks."""
        crc32, left = 0, sum(entry.num_bytes for entry in entries)
        try:
            with self._partial.open("rb") as file:
                while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                    crc32, left = zlib.crc32(chunk, crc32), left - len(chunk)
        except OSError:
            return False
        return not left and crc32 == (entries[-1].crc32 if entries else 0)

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(f"{self.out}: cannot be written ({error.strerror})")
