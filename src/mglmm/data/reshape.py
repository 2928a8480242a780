"""Several files of samples made one, one cut in several, and images unpacked: `mglmm data merge` and `split`."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mglmm.arguments import check_writable
from mglmm.atomic import atomic_file
from mglmm.data.readers.files import inside
from mglmm.data.records import Address, Line, folder_of, lines, mover, watched
from mglmm.schema import Sample, UserError, write_jsonl


def transferred(address: Address, target: Path, images: str = "") -> Iterator[Sample]:
    """The samples of a file for one in the folder `target`: the images' paths are made relative to that.

    An embedded image is written to where its path says, if it is not there; or, with `images`, into that folder below
    `target` under the sample's number.

    Raises:
        UserError: a record is no sample, another image is there, or an embedded image's path leads out of `target`.
    """
    move = mover(folder_of(str(address)), str(target))
    for number, line in enumerate(watched(lines(address), str(address))):
        sample = line.sample()
        if line.image is None:
            yield move(sample)
        else:
            name = f"{images}/{number:08d}{Path(sample.image).suffix}" if images else sample.image
            unpack(line, target, name)
            yield sample.model_copy(update={"image": name})


def unpack(line: Line, folder: Path, name: str) -> None:
    """Write the embedded image of a record to `folder / name`, unless it is there already.

    Raises:
        UserError: another image is there, the name leads out of the folder, or it cannot be written.
    """
    path = folder / name
    try:
        if path.is_file():
            if path.read_bytes() != line.image:
                raise UserError(f"{path}: is another image than the one in {line.file}, {line.where}; choose --images")
            return
        path = _inside(folder, name, line)
        make_folder(path.parent)
        with atomic_file(path, "wb") as file:
            file.write(line.image or b"")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def _inside(folder: Path, name: str, line: Line) -> Path:
    try:
        return inside(folder, name)
    except UserError as error:
        raise UserError(f"{line.file}, {line.where}: {error}; give --images, the folder to write them to") from None


def make_folder(path: Path) -> Path:
    """The folder, made if it is not there; UserError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be made ({error.strerror})") from error
    return path


def merge(addresses: Sequence[Address], out: Path, rename: bool = False) -> int:
    """Write the samples of several files to one; returns their number. `rename`: put the file's name before each id.

    Raises:
        UserError: two samples have the same id, or a file cannot be read or written.
    """
    return write_jsonl(out, _merged(addresses, out.parent, rename))


def _merged(addresses: Sequence[Address], folder: Path, rename: bool) -> Iterator[Sample]:
    owners: dict[str, Address] = {}
    for address in addresses:
        name = Path(str(address).rstrip("/")).name.partition(".")[0]
        for sample in transferred(address, folder):
            sample_id = f"{name}/{sample.id}" if rename else sample.id
            if sample_id in owners:
                raise UserError(f"{address}: sample {sample_id} is in {owners[sample_id]} too; give --rename")
            owners[sample_id] = address
            yield sample.model_copy(update={"id": sample_id}) if rename else sample


def split(address: Address, out: Path, shares: Mapping[str, float], seed: int = 0) -> dict[str, int]:
    """Write `out`/PART.jsonl for every part, with its share of the images; returns the number of samples of each.

    All samples of an image are in the same part. Which part that is depends on the seed and the images' paths alone,
    not on their order. A sample's `split` becomes the part's name. The files are put in place when all are whole.

    Raises:
        UserError: the shares do not sum to 1, a part would be empty, or would take the place of the file that is split.
    """
    if any(share <= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise UserError(f"--parts {dict(shares)}: shares must be above 0 and sum to 1, as in train=0.9 val=0.1")
    images = sorted(
        {line.sample().image for line in watched(lines(address), "looking at images")},
        key=lambda image: _mixed(seed, image),
    )
    part_of: dict[str, str] = {}
    end = 0.0
    for part, share in shares.items():
        start, end = end, end + share
        chosen = images[round(start * len(images)) : round(end * len(images))]
        if not chosen:
            raise UserError(f"{address}: {len(images)} images are too few for the part {part}={share}")
        part_of |= dict.fromkeys(chosen, part)
    make_folder(out)
    paths = {part: _part_path(address, out, part) for part in shares}
    counts = Counter(dict.fromkeys(shares, 0))
    with ExitStack() as opened:
        files = {part: opened.enter_context(atomic_file(path)) for part, path in paths.items()}
        for sample in _parted(address, out, part_of):
            files[sample.split].write(sample.model_dump_json() + "\n")
            counts[sample.split] += 1
    return dict(counts)


def _part_path(address: Address, out: Path, part: str) -> Path:
    """Where a part is written to; UserError if that cannot be, or is the file that is split."""
    path = out / f"{part}.jsonl"
    check_writable(path)
    if path.exists() and Path(address).exists() and path.samefile(address):
        raise UserError(f"{path}: is the file that is split; give another --out, or the part {part} another name")
    return path


def _parted(address: Address, out: Path, part_of: Mapping[str, str]) -> Iterator[Sample]:
    """Every sample for its part, which is its `split`; its image's path is relative to `out`."""
    move = mover(folder_of(str(address)), str(out))
    for line in watched(lines(address), "writing the parts"):
        sample = line.sample()
        kept = sample.model_copy(update={"split": part_of[sample.image]})
        if line.image is None:
            yield move(kept)
        else:
            unpack(line, out, sample.image)
            yield kept


def _mixed(seed: int, image: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{image}".encode(), digest_size=16).digest()
