"""What is annotated: a picture, a folder of pictures, a file of samples, or pictures of the world."""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from PIL import Image

from mglmm.atomic import atomic_file
from mglmm.data.records import Records, image_address
from mglmm.images import load_image
from mglmm.schema import Sample, UserError
from mglmm.world.render import MIN_AREA_SHARE
from mglmm.world.samples import world_sample

ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Of the files that are taken for pictures in a folder."""

SIDE_PX = 256
"""Longer side of pictures of the world where none is given."""

_WORLD = re.compile(r"world:(\d+):(\d+)(?:@(\d+))?")


class Source(Protocol):
    """Pictures with names. Can be sent to other processes."""

    @property
    def ids(self) -> Sequence[str]:
        """Names of the pictures, in order; all different."""
        ...

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """The upright RGB picture, where it lies, and the record that came with it.

        Raises:
            UserError: the picture or its record cannot be read.
        """
        ...


class Pictures:
    """Picture files; ids are their paths below `root` without the ending, "/" as "__"."""

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.ids = tuple("__".join(path.relative_to(root).with_suffix("").parts) for path in paths)
        twice = [name for name, count in Counter(self.ids).items() if count > 1]
        if twice:
            raise UserError(f"{root}: {len(twice)} names stand for several pictures, as {twice[0]!r}; rename one")

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        return load_image(self.paths[index]), str(self.paths[index]), None


class Samples:
    """A file or folder of samples, whose segments are masks to begin from."""

    def __init__(self, address: str, folder: Path) -> None:
        """`folder`: for images that were embedded in the file."""
        self.address, self.folder = address, folder
        records = Records(address)
        self.ids = tuple(records[k].id for k in range(len(records)))
        twice = [name for name, count in Counter(self.ids).items() if count > 1]
        if twice:
            raise UserError(f"{address}: the id {twice[0]!r} stands there more than once; ids must differ")

    @cached_property
    def records(self) -> Records:
        """Opened by every process for itself."""
        return Records(self.address)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "records"}

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        image, sample = self.records.load(index)
        address = image_address(sample, self.records.folder)
        if "://" not in address and not Path(address).is_file():
            # no two ids give the same name
            address = _written(image, self.folder / f"{quote(sample.id, safe='')}.png")
        return image, address, sample


class World:
    """Pictures of the procedural world with their exact masks, written to `folder` as they are asked for.

    Of pictures of more than 256 pixels smaller parts are marked too, those of as many pixels as at 256.
    """

    def __init__(self, first: int, end: int, side_px: int, folder: Path) -> None:
        """Of the seeds `first` to `end` (exclusive), the longer side `side_px` pixels."""
        self.first, self.side_px, self.folder = first, side_px, folder
        self.ids = tuple(f"world-{seed}" for seed in range(first, end))

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        share = MIN_AREA_SHARE * min(1.0, SIDE_PX / self.side_px) ** 2
        image, sample = world_sample(self.first + index, self.side_px, min_area_share=share)
        return image, _written(image, self.folder / f"{sample.id}.png"), sample


def open_source(images: str, out: Path) -> Source:
    """The pictures at a path or address, or of the world as "world:FIRST:END" (or "world:FIRST:END@PIXELS").

    Raises:
        UserError: nothing is there, or no picture.
    """
    if world := _WORLD.fullmatch(images):
        first, end, side = int(world[1]), int(world[2]), int(world[3] or SIDE_PX)
        if first >= end:
            raise UserError(f"{images}: no seeds; give world:FIRST:END with FIRST < END")
        return World(first, end, side, out / "images")
    path = Path(images)
    if "://" in images or path.suffix in (".jsonl", ".parquet") or (path.is_dir() and any(path.glob("*.parquet"))):
        return Samples(images, out / "images")
    if path.is_file():
        return Pictures(path.parent, [path])
    if not path.is_dir():
        raise UserError(f"{images}: no such picture, folder, or file of samples (.jsonl, .parquet)")
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not found:
        raise UserError(f"{images}: the folder holds no picture ({', '.join(sorted(ENDINGS))})")
    return Pictures(path, found)


def _written(image: Image.Image, path: Path) -> str:
    """The path of a picture file, written if it is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, "wb") as file:
            # a fifth of the time of the default, for a tenth more bytes (pictures of the world)
            image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return str(path)
