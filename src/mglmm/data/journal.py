"""A file of samples that is written block by block: a run that was interrupted goes on behind the last whole block."""

import itertools
import json
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mglmm.arguments import only_writer
from mglmm.data.blocks import Block
from mglmm.data.readers.policy import MAX_SHOWN
from mglmm.schema import Record, UserError

PARTIAL, JOURNAL = ".partial", ".partial.journal"
"""What the names of the unfinished file and of its journal end with."""

_CHUNK_BYTES = 1 << 20


class Entry(Record):
    """A line of the journal: what a block has added.

    `crc32`, `num_skipped`: the sum of all bytes, and the records left out, up to its end. `mistakes`: why those of this
    block were, as long as there are no more than `MAX_SHOWN` in all.
    """

    num_bytes: int
    crc32: int
    num_samples: int
    num_skipped: int
    mistakes: tuple[str, ...]

    @property
    def line(self) -> bytes:
        """What stands in the journal."""
        return self.model_dump_json().encode() + b"\n"


class Journal:
    """Writes `out`, in a `with` statement; it is there when that has ended well, and as it was before until then.

    Ctrl-C, an error, or being killed leaves the file under another name with a journal beside it, if it holds a sample,
    and the next one of the same `identity` begins with what is there.

    Args:
        skip_bad: whether records may be left out; if not, it begins with what was written before the first that was.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any], skip_bad: bool) -> None:
        self.out = out
        self._skip_bad = skip_bad
        self._alone = ExitStack()
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
    def num_skipped(self) -> int:
        """The number of records left out."""
        return self._entries[-1].num_skipped if self._entries else 0

    @property
    def mistakes(self) -> list[str]:
        """Why the first `MAX_SHOWN` records were left out, in order."""
        return [mistake for entry in self._entries for mistake in entry.mistakes]

    def __enter__(self) -> Self:
        """Open the file behind the last block that is known to be whole; UserError if another run writes it."""
        self._alone.enter_context(only_writer(self.out))
        self._entries = self._kept()
        mode = "r+b" if self._entries else "wb"
        try:
            self._file, self._log = self._partial.open(mode), self._journal.open(mode)
            self._cut()
        except OSError as error:
            self._alone.close()
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or leave it for the next run, or remove it if it holds nothing."""
        for file in (self._file, self._log):
            with suppress(OSError):  # blocks are flushed where they are added; what is left is of one that failed
                file.close()
        try:
            if error is None:
                self._partial.replace(self.out)
            elif not self.num_samples:
                self._partial.unlink(missing_ok=True)
            elif isinstance(error, UserError):
                raise UserError(f"{error}; run the same command again to go on") from error
            else:
                return
            self._journal.unlink(missing_ok=True)
        finally:
            self._alone.close()

    def add(self, block: Block) -> None:
        """Write the next block; UserError if it cannot be."""
        crc32 = zlib.crc32(block.lines, self._crc32(self.num_blocks))
        entry = Entry(
            num_bytes=len(block.lines),
            crc32=crc32,
            num_samples=block.num_samples,
            num_skipped=self.num_skipped + len(block.mistakes),
            mistakes=block.mistakes[: max(0, MAX_SHOWN - self.num_skipped)],
        )
        try:
            self._file.write(block.lines)
            self._file.flush()
            self._log.write(entry.line)
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
        """Drop what stands behind the last block, in the file and before that in its journal."""
        self._log.seek(0)
        self._log.write(self._identity)
        self._log.truncate(len(self._identity) + sum(len(entry.line) for entry in self._entries))
        self._log.seek(0, 2)
        self._log.flush()
        self._file.truncate(sum(entry.num_bytes for entry in self._entries))
        self._file.seek(0, 2)

    def _kept(self) -> list[Entry]:
        """The entries of an interrupted run of the same identity, if what it has written is still there."""
        try:
            first, *lines = self._journal.read_bytes().splitlines(keepends=True)
            # a kill may leave half a line
            found = [Entry.model_validate_json(line) for line in lines if line.endswith(b"\n")]
        except (OSError, ValueError):  # there is none, it is empty or damaged
            return []
        if not self._skip_bad:
            found = list(itertools.takewhile(lambda entry: not entry.num_skipped, found))
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
