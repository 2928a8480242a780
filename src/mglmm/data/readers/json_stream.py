"""JSON files larger than the memory: their arrays are read element by element, or by place in the file."""

import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mglmm.schema import UserError

CHUNK_BYTES = 1 << 20
"""So much is read at once. Ours: larger chunks are no faster."""

MAX_ELEMENT_BYTES = 1 << 28
"""A larger element is taken for a file that is no such array. Ours."""

_LOOK_AHEAD = 64
"""A value that ends nearer to the end of what has been read may be a number that goes on."""

_SPACE = " \t\r\n"


class Element(NamedTuple):
    """One element of a top-level array, or a whole top-level value.

    `key` is that of the top-level object ("" where the file is one array); `offset` and `length` say where the element
    lies, in bytes. `value` is for its numbers: the texts in it are read as Latin-1, take those from `raw`.
    """

    key: str
    offset: int
    length: int
    value: Any
    raw: bytes


def elements(path: Path, keys: set[str] | None = None) -> Iterator[Element]:
    """The elements of every top-level array of a JSON file, and its other top-level values, in the file's order.

    The keys of the top-level object are added to `keys` as they are met, those of empty arrays too.

    Raises:
        UserError: the file cannot be read, is cut short, or is not JSON; names the byte.
    """
    try:
        with path.open("rb") as file:
            yield from _Scanner(path, file, set() if keys is None else keys).run()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


class _Scanner:
    """Walks through the text of a file, of which it holds only what lies around its place.

    The text is read as Latin-1, where a character is a byte; all that JSON is built of is ASCII, so elements end at the
    same bytes as in UTF-8.
    """

    def __init__(self, path: Path, file: Any, keys: set[str]) -> None:
        self.path, self.file, self.keys = path, file, keys
        self.text, self.place, self.start, self.ended = "", 0, 0, False
        """What is held, the place in it, the byte at which it starts in the file, and whether nothing follows."""
        self.decoder = json.JSONDecoder()

    def run(self) -> Iterator[Element]:
        """Every element of the file."""
        self.read_more(CHUNK_BYTES)
        if self.text.startswith("\xef\xbb\xbf"):
            self.place = 3  # the byte order mark that some editors write
        opening = self.peek()
        if opening == "[":
            yield from self.array("")
        elif opening == "{":
            self.place += 1
            while self.more("}"):
                key = self.value().value
                if not isinstance(key, str):
                    raise self.mistake("a name in quotes is missing")
                self.keys.add(key)
                self.take(":")
                yield from self.array(key) if self.peek() == "[" else (self.value()._replace(key=key),)
        else:
            raise self.mistake("a JSON object or array should begin")
        if self.peek():
            raise self.mistake("nothing should follow")

    def array(self, key: str) -> Iterator[Element]:
        """The elements of the array that begins here."""
        self.place += 1
        while self.more("]"):
            yield self.value()._replace(key=key)

    def more(self, closing: str) -> bool:
        """Whether another member follows here; takes the comma before it, or the closing bracket."""
        first = self.text[self.place - 1 : self.place] in "[{"
        found = self.peek()
        if found == closing:
            self.place += 1
            return False
        if not first or found == ",":
            self.take(",")
        return True

    def value(self) -> Element:
        """The value here."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
                complete = self.ended or end + _LOOK_AHEAD < len(self.text)
            except json.JSONDecodeError as error:
                if self.ended or len(self.text) - self.place > MAX_ELEMENT_BYTES:
                    raise self.mistake(error.msg, error.pos) from None
                complete = False
            except RecursionError:
                raise self.mistake("the values are nested too deeply") from None
            if complete:
                break
            self.read_more(max(CHUNK_BYTES, len(self.text) - self.place))
        text, offset = self.text[self.place : end], self.start + self.place
        self.place = end
        return Element("", offset, len(text), value, text.encode("latin-1"))

    def peek(self) -> str:
        """The next character that is not space, which the place moves to; "" at the end of the file."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in _SPACE:
                self.place += 1
            if self.place < len(self.text) or self.ended:
                return self.text[self.place : self.place + 1]
            self.read_more(CHUNK_BYTES)

    def take(self, wanted: str) -> None:
        """Go past the character that must follow here."""
        if self.peek() != wanted:
            raise self.mistake(f"{wanted!r} is missing")
        self.place += 1

    def read_more(self, count: int) -> None:
        """Drop what lies behind (but one character, which `more` looks at) and add up to `count` bytes."""
        behind = max(self.place - 1, 0)
        added = self.file.read(count)
        self.text = self.text[behind:] + added.decode("latin-1")
        self.start, self.place, self.ended = self.start + behind, self.place - behind, len(added) < count

    def mistake(self, what: str, place: int | None = None) -> UserError:
        """The error that says what is wrong at `place` (default: here)."""
        at_end = self.ended and (self.place if place is None else place) >= len(self.text.rstrip())
        byte = self.start + (self.place if place is None else place)
        reason = "the file is cut short" if at_end or what.startswith("Unterminated string") else "not valid JSON"
        return UserError(f"{self.path}, byte {byte}: {reason} ({what})")


class Groups:
    """Elements of one array by the id of what they belong to: holds places in the file (24 bytes each), no elements.

    After the last `add` the groups are looked up with `places`; `read` gets an element from the file.
    """

    def __init__(self) -> None:
        self._owners, self._offsets, self._lengths = array("q"), array("q"), array("q")
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        """The number of elements."""
        return len(self._owners)

    def add(self, owner: int, element: Element) -> None:
        """Note that `element` belongs to `owner`."""
        self._owners.append(owner)
        self._offsets.append(element.offset)
        self._lengths.append(element.length)
        self._order = None

    def places(self, owner: int) -> list[tuple[int, int]]:
        """(offset, length) of every element of `owner`, in the file's order."""
        if self._order is None:
            owners = np.array(self._owners, dtype=np.int64)
            self._order = np.argsort(owners, kind="stable")
            self._sorted = owners[self._order]
        low, high = np.searchsorted(self._sorted, [owner, owner + 1])
        return [(self._offsets[i], self._lengths[i]) for i in self._order[low:high].tolist()]


class Places:
    """A file of which elements are read by their place; to be used in a `with` statement."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "Places":
        """Open the file."""
        try:
            self._file = os.open(self._path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{self._path}: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        os.close(self._file)

    def read(self, offset: int, length: int) -> bytes:
        """The JSON text of the element at this place."""
        return os.pread(self._file, length, offset)
