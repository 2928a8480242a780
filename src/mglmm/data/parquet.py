"""Parquet shards of samples, with the same fields as the JSON lines: written, and read a row group at a time.

Two fields differ, because a column has one type: `image` is a struct of `path` and `bytes` (null, or the content of the
image file: the form that Hugging Face `datasets` calls Image), and `meta` is a JSON text.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, Self

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mglmm.data.addresses import filesystem_of
from mglmm.schema import Sample, UserError

ROW_GROUP = 32
"""Records that are read together. Ours: smaller groups are hardly faster, since it is 25 columns that are decoded."""

OPEN_SHARDS = 32
"""So many shards stay open. Ours: what is known of one of 5,000 records takes 4 MB, and 4 ms to be read again."""

_WRITTEN: dict[str, Any] = {"compression": "snappy", "use_dictionary": False, "write_statistics": False}
"""How shards are written. Ours: a record at random takes a third of the time that it takes with zstd and dictionaries,
for files a third larger; statistics help only who looks for values."""

_TEXTS, _INTS = pa.list_(pa.string()), pa.list_(pa.int64())
_SEGMENT = pa.struct(
    {
        "id": pa.int64(),
        "rle": pa.struct({"size": _INTS, "counts": pa.string()}),
        "label": pa.string(),
        "caption": pa.string(),
        "parent": pa.int64(),
        "score": pa.float64(),
    }
)
_SPAN = pa.struct({"start": pa.int64(), "end": pa.int64(), "segment_ids": _INTS})
_TURN = pa.struct(
    {
        "task": pa.string(),
        "instruction": pa.string(),
        "answer": pa.struct({"text": pa.string(), "spans": pa.list_(_SPAN)}),
        "granularity": pa.string(),
        "region_ids": _INTS,
        "follows": pa.bool_(),
        "family": pa.string(),
    }
)
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "size": _INTS,
        "segments": pa.list_(_SEGMENT),
        "turns": pa.list_(_TURN),
        "source": pa.string(),
        "split": pa.string(),
        "exhaustive": _TEXTS,
        "meta": pa.string(),
    }
)
"""The columns of a shard; a test holds them against the fields of `Sample`."""

Row = tuple[bytes, bytes | None]
"""The JSON text of a record, and the content of its image file if that is embedded."""


class Shard(NamedTuple):
    """A Parquet file in one of its versions: a file that is written anew is another shard."""

    url: str
    version: str

    @classmethod
    def now(cls, url: str) -> Self:
        """The file as it is now; UserError if it is not there."""
        filesystem, path = filesystem_of(url)
        try:
            return cls(url, filesystem.ukey(path))
        except OSError as error:
            raise UserError(f"{url}: cannot be read ({error.strerror or error})") from error


def write_shard(url: str, records: Iterable[tuple[Sample, bytes | None]]) -> int:
    """Write samples to one Parquet file, each with the content of its image or None; returns their number.

    Raises:
        UserError: a number does not fit into 64 bits, or the file cannot be written.
    """
    count = 0
    rest = iter(records)
    try:
        with fsspec.open(url, "wb") as file, pq.ParquetWriter(file, SCHEMA, **_WRITTEN) as writer:
            while group := list(islice(rest, ROW_GROUP)):
                writer.write_table(_table(group, url))
                count += len(group)
    except OSError as error:
        raise UserError(f"{url}: cannot be written ({error.strerror or error})") from error
    return count


def num_rows(shard: Shard) -> int:
    """The number of records of a shard; UserError if it is none."""
    return _opened(shard).starts[-1]


def row(shard: Shard, index: int) -> Row:
    """Record `index` of a shard."""
    starts = _opened(shard).starts
    group = int(np.searchsorted(starts, index, side="right")) - 1
    return _rows(_row_group(shard, group).slice(index - starts[group], 1))[0]


def rows(url: str) -> Iterator[Row]:
    """All records of a shard in order, of which one row group at a time is held."""
    opened = _Opened(url)
    for group in range(len(opened.starts) - 1):
        yield from _rows(opened.read(group))


class _Opened:
    """An open Parquet file of samples. `starts`: the number of its first record for every row group, and its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        filesystem, path = filesystem_of(url)
        try:
            # pyarrow's own reader of local files is several times as fast as a Python file object
            self.file = pq.ParquetFile(filesystem.open(path, "rb") if "://" in url else url)
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{url}: cannot be read as Parquet ({' '.join(str(error).split())})") from error
        missing = set(SCHEMA.names) - set(self.file.schema_arrow.names)
        if missing:
            raise UserError(f"{url}: no Parquet of samples; the columns {', '.join(sorted(missing))} are missing")
        groups = self.file.metadata
        self.starts = [0, *np.cumsum([groups.row_group(k).num_rows for k in range(groups.num_row_groups)]).tolist()]

    def read(self, group: int) -> pa.Table:
        """One row group."""
        try:
            return self.file.read_row_group(group, columns=SCHEMA.names, use_threads=False)
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{self.url}, row group {group}: damaged ({' '.join(str(error).split())})") from error


@lru_cache(maxsize=OPEN_SHARDS)
def _opened(shard: Shard) -> _Opened:
    return _Opened(shard.url)


@lru_cache(maxsize=8)
def _row_group(shard: Shard, group: int) -> pa.Table:
    return _opened(shard).read(group)


def _rows(table: pa.Table) -> list[Row]:
    return [_row(values) for values in table.to_pylist()]


def _row(values: dict[str, Any]) -> Row:
    """The JSON text is checked by whoever makes a `Sample` of it, as that of any other file."""
    image = values["image"] or {"path": None, "bytes": None}
    record = {**values, "image": image["path"], "meta": _meta(values["meta"])}
    return json.dumps(record).encode(), image["bytes"]


def _meta(text: str | None) -> Any:
    """The value of a JSON text; what is none stays as it is, and is refused as `meta` of a sample."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _table(group: list[tuple[Sample, bytes | None]], url: str) -> pa.Table:
    records = [
        {
            **sample.model_dump(),
            "image": {"path": sample.image, "bytes": content},
            "meta": json.dumps(sample.meta, ensure_ascii=False),
        }
        for sample, content in group
    ]
    try:
        return pa.Table.from_pylist(records, schema=SCHEMA)
    except (pa.ArrowInvalid, OverflowError) as error:
        names = f"{group[0][0].id} to {group[-1][0].id}"
        raise UserError(f"{url}: samples {names} do not fit into Parquet ({error})") from error
