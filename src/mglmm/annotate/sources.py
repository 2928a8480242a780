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


MIN_SIDE_PX = 8
"""Longer side from which on every picture of the world can be drawn. Ours."""


class Source(Protocol):
    """Pictures with names. Can be sent to other processes. `bare`: whether they come without records."""

    bare: bool

    @property
    def ids(self) -> Sequence[str]:
        """Names of the pictures, in order; all different."""
        ...

    def address(self, index: int) -> str:
        """Where a picture lies, or will when it is loaded."""
        ...

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """The upright RGB picture, where it lies, and the record that came with it.

        Raises:
            UserError: the picture or its record cannot be read.
        """
        ...


class Pictures:
    """Picture files; ids are their paths below `root` without the ending, "/" as "__"."""

    bare = True

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.ids = tuple("__".join(path.relative_to(root).with_suffix("").parts) for path in paths)
        twice = [name for name, count in Counter(self.ids).items() if count > 1]
        if twice:
            raise UserError(f"{root}: {len(twice)} names stand for several pictures, as {twice[0]!r}; rename one")

    def address(self, index: int) -> str:
        """See `Source`."""
        return str(self.paths[index])

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        return load_image(self.paths[index]), self.address(index), None


class Samples:
    """A file or folder of samples, whose segments are masks to begin from."""

    bare = False

    def __init__(self, file: str, folder: Path) -> None:
        """`file`: or its address. `folder`: for images that were embedded in it."""
        self.file, self.folder = file, folder
        records = Records(file)
        self.ids = tuple(records[k].id for k in range(len(records)))
        twice = [name for name, count in Counter(self.ids).items() if count > 1]
        if twice:
            raise UserError(f"{file}: the id {twice[0]!r} stands there more than once; ids must differ")

    @cached_property
    def records(self) -> Records:
        """Opened by every process for itself."""
        return Records(self.file)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "records"}

    def address(self, index: int) -> str:
        """See `Source`."""
        return self._address(self.records[index])

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        image, sample = self.records.load(index)
        address = self._address(sample)
        return image, address if "://" in address else _written(image, Path(address)), sample

    def _address(self, sample: Sample) -> str:
        """Of its file; of an image that is embedded, of the file that it will be, no two ids the same."""
        address = image_address(sample, self.records.folder)
        if "://" in address or Path(address).is_file():
            return address
        return str(self.folder / f"{quote(sample.id, safe='')}.png")


class World:
    """Pictures of the procedural world with their exact masks, written to `folder` as they are asked for.

    Of pictures of more than 256 pixels smaller parts are marked too, those of as many pixels as at 256.
    """

    bare = False

    def __init__(self, first: int, end: int, side_px: int, folder: Path) -> None:
        """Of the seeds `first` to `end` (exclusive), the longer side `side_px` pixels."""
        self.first, self.side_px, self.folder = first, side_px, folder
        self.ids = tuple(f"world-{seed}" for seed in range(first, end))

    def address(self, index: int) -> str:
        """See `Source`."""
        return str(self.folder / f"{self.ids[index]}.png")

    def load(self, index: int) -> tuple[Image.Image, str, Sample | None]:
        """See `Source`."""
        share = MIN_AREA_SHARE * min(1.0, SIDE_PX / self.side_px) ** 2
        image, sample = world_sample(self.first + index, self.side_px, min_area_share=share)
        return image, _written(image, Path(self.address(index))), sample


def open_source(images: str, out: Path) -> Source:
    """The pictures at a path or address, or of the world as "world:FIRST:END" (or "world:FIRST:END@PIXELS").

    Raises:
        UserError: nothing is there, or no picture.
    """
    if world := _WORLD.fullmatch(images):
        first, end, side = int(world[1]), int(world[2]), int(world[3] or SIDE_PX)
        if first >= end:
            raise UserError(f"{images}: no seeds; give world:FIRST:END with FIRST < END")
        if side < MIN_SIDE_PX:
            raise UserError(f"{images}: pictures of {side} pixels; give at least {MIN_SIDE_PX}")
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
