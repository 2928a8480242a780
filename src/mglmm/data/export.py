"""From files of samples to the forms that other tools read: `mglmm data export`."""

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from mglmm.arguments import check_writable
from mglmm.atomic import atomic_file
from mglmm.data import label_studio
from mglmm.data.coco_file import JsonList, coco_file
from mglmm.data.readers.mgsc import called, nodes_of, write_mgsc
from mglmm.data.records import (
    SHARD_RECORDS,
    Address,
    Records,
    folder_of,
    image_address,
    image_bytes,
    lines,
    mover,
    read,
    watched,
    write_parquet,
)
from mglmm.data.reshape import make_folder, transferred
from mglmm.schema import Sample, UserError, write_jsonl

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine. Source: its documentation of local storage."""


@dataclass(frozen=True)
class Options:
    """How samples are exported.

    `name`: of the split, in file names. `with_images`: the images go along, embedded (Parquet) or copied to `images/`.
    `images`: for JSON lines, the folder below that of the file for images that were embedded. `image_prefix`: what
    stands before an image's path in Label Studio's tasks.
    """

    name: str
    with_images: bool = False
    images: str = ""
    image_prefix: str = LOCAL_FILES
    shard_records: int = SHARD_RECORDS


@dataclass(frozen=True)
class Exported:
    """How many samples were written, and how many have nothing that the format can hold."""

    count: int
    left_out: int = 0


def export(form: str, address: Address, out: str, options: Options) -> Exported:
    """Write the samples of a file in another form: to the file `out` (JSON lines) or into that folder (the others).

    Raises:
        UserError: an unknown form, a record that is no sample, an image that cannot be read, or a file that cannot be
            written.
    """
    if form not in FORMS:
        raise UserError(f"no form {form!r}; there are {', '.join(FORMS)}")
    if "://" in out and form != "parquet":
        raise UserError(f"{out}: only Parquet is written to a remote address; give a path on this machine")
    return FORMS[form](address, out, options)


def to_jsonl(address: Address, out: str, options: Options) -> Exported:
    """JSON lines; images that were embedded become files again."""
    path = Path(out)
    make_folder(path.parent)
    check_writable(path)
    return Exported(write_jsonl(path, transferred(address, path.parent, options.images)))


def to_parquet(address: Address, out: str, options: Options) -> Exported:
    """Parquet shards, readable with Hugging Face `datasets` and with `mglmm`; `out` may be a remote folder.

    Embedded images stay embedded. Images by path keep a path relative to the shards.
    """
    count, source = len(Records(address)), folder_of(str(address))
    move = mover(source, out)

    def _records() -> Iterator[tuple[Sample, bytes | None]]:
        """The samples with the images to embed; the path of any other is made relative to the shards."""
        for line in watched(lines(address), str(address)):
            sample = line.sample()
            if options.with_images or line.image is not None:
                yield sample, image_bytes(sample, source, line.image)
            else:
                yield move(sample), None

    write_parquet(_records(), count, out, options.name, options.shard_records)
    return Exported(count)


def to_coco(address: Address, out: str, options: Options) -> Exported:
    """COCO instances: masks and labels; turns, and which part belongs to what, have no place there.

    `out`/annotations/NAME.json; file names are relative to `out`/images.
    """
    folder = make_folder(Path(out) / "annotations")
    label_ids: dict[str, int] = {}
    with coco_file(folder / f"{options.name}.json") as coco:
        for sample, name in _with_names(address, Path(out), options):
            number = coco.images.count + 1
            coco.images.add({"id": number, "file_name": name, "height": sample.size[0], "width": sample.size[1]})
            for annotation in _annotations(sample, label_ids):
                coco.annotate({"image_id": number, **annotation})
        coco.categories = [{"id": number, "name": label} for label, number in label_ids.items()]
    return Exported(coco.images.count)


def to_mgsc(address: Address, out: str, options: Options) -> Exported:
    """MGSCData: `out`/NAME.txt, and a file a sample in `out`/annotations; samples without `mgsc` turns are left out.

    A file is called as the last part of the sample's id (see `distinct_names`), an image as the last part of its path
    (see `_image_names`).
    """
    folder = make_folder(Path(out) / "annotations")
    images: dict[str, str] = {}
    for sample in watched(read(address), f"{address} (names)"):
        if sample.id in images:
            raise UserError(f"{address}: the id {sample.id!r} stands there twice; ids must differ")
        images[sample.id] = sample.image
    names, image_names = distinct_names(images), _image_names(images.values())
    written: list[str] = []
    left_out = 0

    def _samples() -> Iterator[Sample]:
        """The samples that have nodes, called as their files."""
        nonlocal left_out
        for sample, image in _with_names(address, Path(out), options, image_names):
            if not nodes_of(sample):
                left_out += 1
                continue
            written.append(names[sample.id])
            yield called(sample, names[sample.id], image)

    count = write_mgsc(_samples(), folder)
    _write(Path(out) / f"{options.name}.txt", "".join(f"{name}.json\n" for name in written).encode())
    return Exported(count, left_out)


def to_label_studio(address: Address, out: str, options: Options) -> Exported:
    """Label Studio: `out`/NAME.json to import, and `out`/NAME.xml, the labelling interface with every label.

    Tasks are read back with `mglmm data convert label-studio`.
    """
    folder = make_folder(Path(out))
    place = folder / f"{options.name}.json"
    labels: dict[str, None] = {}
    with atomic_file(place) as file:
        file.write("[")
        tasks = JsonList(file)
        for sample, name in _with_names(address, folder, options):
            # what is read back finds its image from the folder of the tasks
            shown = sample.model_copy(update={"image": posixpath.normpath(f"images/{name}")})
            tasks.add(label_studio.task(shown, options.image_prefix + quote(shown.image)))
            labels |= dict.fromkeys(segment.label for segment in sample.segments)
        file.write("]\n")
    _write(place.with_suffix(".xml"), label_studio.labelling_config(sorted(labels)).encode())
    return Exported(tasks.count)


FORMS: Mapping[str, Callable[[Address, str, Options], Exported]] = {
    "coco": to_coco,
    "jsonl": to_jsonl,
    "label-studio": to_label_studio,
    "mgsc": to_mgsc,
    "parquet": to_parquet,
}
"""Name on the command line -> exporter."""


def _write(path: Path, content: bytes) -> None:
    """Write a file at once; UserError if it cannot be."""
    make_folder(path.parent)
    try:
        with atomic_file(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _annotations(sample: Sample, label_ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    """COCO's annotations of a sample, without ids; new labels are numbered from 1."""
    crowds = set(sample.meta.get("crowd_ids", ()))
    for segment in sample.segments:
        yield {
            "category_id": label_ids.setdefault(segment.label, len(label_ids) + 1),
            **segment.to_coco(),
            "iscrowd": int(segment.id in crowds),
            **({"caption": segment.caption} if segment.caption else {}),
        }


def distinct_names(ids: Iterable[str]) -> dict[str, str]:
    """Id -> a name for files, the same for the same ids: its last part; where two end alike, all of it, "/" as "%2F".

    >>> distinct_names(["coco/1", "coco/2"])
    {'coco/1': '1', 'coco/2': '2'}
    >>> distinct_names(["train/1", "val/1"])
    {'train/1': 'train%2F1', 'val/1': 'val%2F1'}
    """
    names = {name: name.rpartition("/")[2] for name in ids}
    return names if len(set(names.values())) == len(names) else {name: quote(name, safe="") for name in names}


def _image_names(paths: Iterable[str]) -> dict[str, str]:
    """Path -> its last part; where two different ones end alike, each one's path below the folder that holds all.

    Raises:
        UserError: two would be called alike even so.
    """
    parts = {path: PurePosixPath(path.partition("://")[2] or path).parts for path in paths}
    names = {path: found[-1] for path, found in parts.items()}
    if len(set(names.values())) < len(names):
        common = len(os.path.commonprefix([found[:-1] for found in parts.values()]))
        names = {path: "/".join(p for p in found[common:] if p not in ("..", "/")) for path, found in parts.items()}
    called: dict[str, str] = {}
    for path, name in names.items():
        if called.setdefault(name, path) != path:
            raise UserError(f"{called[name]} and {path} would both be called {name}; rename one of the images")
    return names


def _with_names(
    address: Address, out: Path, options: Options, names: Mapping[str, str] | None = None
) -> Iterator[tuple[Sample, str]]:
    """Every sample, and the name of its image relative to `out`/images; copied there if the options say so.

    `names`: path of an image -> its name; None: a copy keeps its path without what leads out of a folder.
    """
    source, folder = folder_of(str(address)), out / "images"
    move = mover(source, str(folder))
    copied: dict[str, str] = {}
    for line in watched(lines(address), str(address)):
        sample = line.sample()
        if names is not None:
            name = names[sample.image]
        else:
            name = move(sample).image if line.image is None else sample.image
            if options.with_images:
                parts = PurePosixPath(name.partition("://")[2] or name).parts
                name = "/".join(part for part in parts if part not in ("..", "/"))
        if options.with_images:
            origin = f"{line.file} {line.where}" if line.image is not None else image_address(sample, source)
            if copied.setdefault(name, origin) != origin:
                raise UserError(f"{folder / name}: {copied[name]} and {origin} would both be copied there")
            _write(folder / name, image_bytes(sample, source, line.image))
        yield sample, name
