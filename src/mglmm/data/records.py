"""Files of samples: JSON lines, or Parquet in one file or a folder of shards, on this machine or at any fsspec address.

Streamed with `lines` and `read`; with `Records` any record is got by its number, and none is held.
"""

import glob
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from mglmm.atomic import atomic_file
from mglmm.data import parquet
from mglmm.data.addresses import JSON_ENDINGS, filesystem_of
from mglmm.data.readers.files import check_image
from mglmm.images import load_image
from mglmm.schema import Sample, UserError, read_line

Address = str | Path
"""A path, or an address such as s3://bucket/x.jsonl or hf://datasets/me/mine."""

R = TypeVar("R")

INDEXED_BYTES = 1 << 26
"""The index of a larger file of JSON lines is kept beside it. Ours: smaller ones are gone through in 0.1 s."""
INDEX_ENDING = ".index.npy"
SHARD_RECORDS = 5_000
"""Records of a shard of Parquet. Ours: shards of embedded photographs then have some 500 MB, as the hub recommends."""

PARTIAL = ".partial"
"""What the name of a shard ends with until all are written."""

_CHUNK_BYTES = 1 << 24
_SPACE = np.frombuffer(b" \t\r\n", dtype=np.uint8)


class Line(NamedTuple):
    """One record of a file: where it stands, its JSON text, and its image if that is embedded."""

    file: str
    where: str
    raw: bytes
    image: bytes | None

    def sample(self) -> Sample:
        """The record; UserError if it is none, naming file, place and field."""
        return read_line(self.raw, Sample, f"{self.file}, {self.where}")


def lines(address: Address) -> Iterator[Line]:
    """Every record of a file or folder, one at a time, whether it is a sample or not.

    Raises:
        UserError: it cannot be read, or a shard is missing.
    """
    address = str(address)
    if is_parquet(address):
        for shard in shards(address):
            for number, (raw, image) in enumerate(parquet.rows(shard), start=1):
                yield Line(shard, f"row {number}", raw, image)
        return
    filesystem, path = filesystem_of(address)
    try:
        with filesystem.open(path, "rb") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    yield Line(address, f"line {number}", raw, None)
    except OSError as error:
        raise UserError(f"{address}: {_reason(error)}") from error


def watched(records: Iterable[R], what: str) -> Iterable[R]:
    """The records, with the time they take on the terminal while one waits."""
    console = Console(stderr=True)
    return track(records, what, console=console, transient=True, disable=not console.is_terminal)


def read(address: Address) -> Iterator[Sample]:
    """Every sample of a file or folder, one at a time; UserError for the first that is none."""
    return (line.sample() for line in lines(address))


class Records:
    """Random access to the samples of a file or folder of shards: what is held is the place of each (16 bytes).

    Raises:
        UserError: it cannot be read, is no file of samples, holds none, or a shard is missing.
    """

    def __init__(self, address: Address) -> None:
        self.address = str(address)
        self.folder = folder_of(self.address)
        self._file: _Lines | _Shards = _Shards(self.address) if is_parquet(self.address) else _Lines(self.address)
        if not len(self._file):
            raise UserError(f"{self.address}: no samples; write one record a line")

    def __len__(self) -> int:
        """The number of records."""
        return len(self._file)

    def __getitem__(self, index: int) -> Sample:
        """Record `index` (0 <= index < len); UserError if it is no sample."""
        return self._line(index).sample()

    def load(self, index: int) -> tuple[Image.Image, Sample]:
        """The upright RGB image of record `index`, and the record.

        Raises:
            UserError: the record is no sample, or the image is missing, damaged, or not of the size stated.
        """
        line = self._line(index)
        sample = line.sample()
        return load_picture(sample, self.folder, line.image), sample

    def _line(self, index: int) -> Line:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        return self._file.line(index)


def load_picture(sample: Sample, folder: str, embedded: bytes | None) -> Image.Image:
    """The upright RGB image of a sample; `folder`: that of its file; `embedded`: the image's content if it is held.

    Raises:
        UserError: it is missing, damaged, or not of the size that the sample states.
    """
    place = image_address(sample, folder)
    try:
        picture = load_image(place if embedded is None and _is_local(place) else image_bytes(sample, folder, embedded))
    except UserError as error:
        raise UserError(f"{error}; it is the image of sample {sample.id}") from None
    if (picture.height, picture.width) != sample.size:
        raise UserError(f"{place}: image is {picture.height} x {picture.width}, its record says {sample.size}")
    return picture


def check_picture(sample: Sample, folder: str, embedded: bytes | None) -> None:
    """Nothing, if the image of a sample is there and of its size; from the header alone where it is a local file.

    Raises:
        UserError: as `load_picture`.
    """
    place = image_address(sample, folder)
    if embedded is None and _is_local(place):
        check_image(Path(place), sample.size)
    else:
        load_picture(sample, folder, embedded)


def image_bytes(sample: Sample, folder: str, embedded: bytes | None) -> bytes:
    """The content of the image file of a sample; UserError if it cannot be read."""
    if embedded is not None:
        return embedded
    place = image_address(sample, folder)
    filesystem, path = filesystem_of(place)
    try:
        with filesystem.open(path, "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise UserError(f"{place}: image of sample {sample.id} cannot be read ({_reason(error)})") from error
    return content


def image_address(sample: Sample, folder: str) -> str:
    """Where the image of a sample lies whose file is in `folder`."""
    if not _is_local(sample.image):
        return sample.image
    return str(Path(folder) / sample.image) if _is_local(folder) else f"{folder}/{sample.image}"


def is_parquet(address: str) -> bool:
    """Whether an address means Parquet: a file of that ending, or a folder (of shards)."""
    return address.endswith(".parquet") or not address.endswith(JSON_ENDINGS) and _is_folder(address)


def folder_of(address: str) -> str:
    """The folder that the image paths of a file of samples are relative to: its own, or the folder of shards itself."""
    if _is_local(address):
        path = Path(address)
        return str(path if path.is_dir() else path.parent)
    is_file = address.endswith((".parquet", *JSON_ENDINGS))
    return address.rpartition("/")[0] if is_file else address.rstrip("/")


def shards(address: str) -> list[str]:
    """The Parquet files at an address in order.

    Raises:
        UserError: there is none, or one of those that the names count (00001-of-00005) is missing.
    """
    if address.endswith(".parquet"):
        return [address]
    filesystem, path = filesystem_of(address)
    found = sorted(filesystem.glob(f"{path}/*.parquet"))
    if not found:
        raise UserError(f"{address}: the folder holds no *.parquet")
    stems = {name.rpartition("/")[2].removesuffix(".parquet") for name in found}
    for stem in sorted(stems):
        name, _, numbers = stem.rpartition("-of-")
        total = int(numbers) if numbers.isdecimal() else 0
        missing = [k for k in range(total) if f"{name[:-5]}{k:05d}-of-{numbers}" not in stems]
        if missing:
            raise UserError(f"{address}: shard {name[:-5]}{missing[0]:05d}-of-{numbers}.parquet is missing")
    return [name if _is_local(address) else filesystem.unstrip_protocol(name) for name in found]


def write_parquet(
    records: Iterable[tuple[Sample, bytes | None]],
    count: int,
    folder: Address,
    name: str,
    shard_records: int = SHARD_RECORDS,
) -> list[str]:
    """Write `count` samples, each with the content of its image or None, as shards; returns their addresses.

    They are called NAME-00000-of-00005.parquet, and take the place of all shards of that name, however many, when the
    last one is written; if the writing fails, or is interrupted, the folder stays as it was. Nothing is removed before
    all new shards are in their places.

    Raises:
        UserError: the folder cannot be written.
    """
    total, rest = -(-count // shard_records), iter(records)
    filesystem, path = filesystem_of(str(folder))
    finals = [f"{path}/{name}-{number:05d}-of-{total:05d}.parquet" for number in range(total)]
    try:
        filesystem.makedirs(path, exist_ok=True)
        written = False
        try:
            for final in finals:
                parquet.write_shard(filesystem.unstrip_protocol(final + PARTIAL), islice(rest, shard_records))
            written = True
        finally:
            for final in () if written else finals:
                if filesystem.exists(final + PARTIAL):
                    filesystem.rm(final + PARTIAL)
        for final in finals:
            filesystem.mv(final + PARTIAL, final)
        for old in set(filesystem.glob(f"{path}/{glob.escape(name)}-?????-of-?????.parquet")) - set(finals):
            filesystem.rm(old)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({_reason(error)})") from error
    return finals if _is_local(str(folder)) else [filesystem.unstrip_protocol(final) for final in finals]


def mover(source: str, target: str) -> Callable[[Sample], Sample]:
    """What makes the image's path of a sample, relative to the folder `source`, relative to the folder `target`.

    Paths from or to a remote folder stay as they are: the images have to be copied along.
    """
    if not (_is_local(source) and _is_local(target)) or Path(source).resolve() == Path(target).resolve():
        return lambda sample: sample
    start, end = Path(source).resolve(), Path(target).resolve()

    def _moved(sample: Sample) -> Sample:
        if not _is_local(sample.image) or os.path.isabs(sample.image):
            return sample
        return sample.model_copy(update={"image": Path(os.path.relpath(start / sample.image, end)).as_posix()})

    return _moved


class _Lines:
    """A file of JSON lines: where each line that is not blank starts, and its number."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.filesystem, self.path = filesystem_of(address)
        try:
            self.index = self._kept() if _is_local(address) else self._scanned(0)
        except OSError as error:
            raise UserError(f"{address}: {_reason(error)}") from error

    def __len__(self) -> int:
        return self.index.shape[1] - 1

    def line(self, index: int) -> Line:
        """The record of this index, its bytes read from the file alone."""
        (start, end), number = self.index[0, index : index + 2], self.index[1, index]
        try:
            raw: bytes = self.filesystem.cat_file(self.path, int(start), int(end))
        except OSError as error:
            raise UserError(f"{self.address}: {_reason(error)}") from error
        return Line(self.address, f"line {number}", raw, None)

    def _kept(self) -> np.ndarray:
        """The index beside the file if it is of this version of it, else a new one, kept if the file is large."""
        state = os.stat(self.path)
        beside = Path(self.path + INDEX_ENDING)
        if state.st_size <= INDEXED_BYTES:
            return self._scanned(state.st_mtime_ns)
        if beside.is_file():
            index: np.ndarray = np.load(beside, mmap_mode="r")
            if index[:, -1].tolist() == [state.st_size, state.st_mtime_ns]:
                return index
        index = self._scanned(state.st_mtime_ns)
        if os.access(beside.parent, os.W_OK):
            with atomic_file(beside, "wb", shared=True) as file:
                np.save(file, index)
        return index

    def _scanned(self, mtime_ns: int) -> np.ndarray:
        """int64[2, N + 1]: byte and line number of every record; last the file's size and time of change."""
        starts, numbers = [], []
        size = num_lines = 0
        with self.filesystem.open(self.path, "rb") as file:
            rest = b""
            while chunk := file.read(_CHUNK_BYTES):
                buffer = rest + chunk
                end = buffer.rfind(b"\n") + 1
                found, count = _starts(buffer[:end])
                starts.append(found[0] + size)
                numbers.append(found[1] + num_lines + 1)
                size, num_lines, rest = size + end, num_lines + count, buffer[end:]
        found, _ = _starts(rest + b"\n" if rest else b"")
        starts.append(found[0] + size)
        numbers.append(found[1] + num_lines + 1)
        tail = [[size + len(rest)], [mtime_ns]]
        return np.array([np.concatenate([*starts, tail[0]]), np.concatenate([*numbers, tail[1]])], dtype=np.int64)


def _starts(whole_lines: bytes) -> tuple[np.ndarray, int]:
    """int64[2, N], start and number (from 0) of each line that is not blank; and the number of all lines."""
    buffer = np.frombuffer(whole_lines, dtype=np.uint8)
    ends = np.flatnonzero(buffer == ord("\n"))
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])
    numbers = np.arange(len(ends))
    suspects = np.flatnonzero(np.isin(buffer[starts], _SPACE))
    blank = [k for k in suspects.tolist() if not whole_lines[starts[k] : ends[k]].strip()]
    return np.delete(np.array([starts, numbers], dtype=np.int64), blank, axis=1), len(ends)


class _Shards:
    """Parquet files, of which the number of records is known."""

    def __init__(self, address: str) -> None:
        self.shards = [parquet.Shard.now(url) for url in shards(address)]
        self.ends = list(accumulate(parquet.num_rows(shard) for shard in self.shards))

    def __len__(self) -> int:
        return self.ends[-1]

    def line(self, index: int) -> Line:
        """The record of this index, from the shard that holds it."""
        which = bisect_right(self.ends, index)
        row = index - (self.ends[which - 1] if which else 0)
        raw, image = parquet.row(self.shards[which], row)
        return Line(self.shards[which].url, f"row {row + 1}", raw, image)


def _is_local(address: str) -> bool:
    return "://" not in address


def _is_folder(address: str) -> bool:
    if _is_local(address):
        return Path(address).is_dir()
    filesystem, path = filesystem_of(address)
    return bool(filesystem.isdir(path))


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split()) or type(error).__name__
