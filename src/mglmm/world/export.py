"""Pictures of the world as files: `images/*.png` and `samples.jsonl`, one record a line."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mglmm.arguments import only_writer
from mglmm.schema import Sample, UserError, read_jsonl
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.samples import world_sample

SAMPLES_NAME = "samples.jsonl"


def render_to(folder: Path, seeds: Sequence[int], *, size: int = 256, novel: bool = False) -> int:
    """The number of samples added to `folder`; those that are there already, from an earlier run, stay as they are.

    Args:
        folder: made if it does not exist.
        seeds: of the pictures.
        size: longer side of the pictures in pixels.
        novel: see `world_sample`.

    Raises:
        UserError: the folder cannot be written, another run writes it, or it holds pictures of another size; or novel
            pictures of training seeds.
    """
    if novel and min(seeds) < TRAIN_SEEDS_END:
        raise UserError(f"novel pictures exist from seed {TRAIN_SEEDS_END} on")
    path = folder / SAMPLES_NAME
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        with only_writer(path):
            known = _finished(path, size)
            missing = [seed for seed in seeds if _sample_id(seed, novel) not in known]
            _append(path, missing, size, novel)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: cannot be written ({error.strerror})") from error
    return len(missing)


def _append(path: Path, seeds: Sequence[int], size: int, novel: bool) -> None:
    """Render the pictures of these seeds and add their records to the file."""
    console = Console(stderr=True)
    with path.open("a", encoding="utf-8") as file:
        for seed in track(seeds, "rendering", console=console, transient=True, disable=not console.is_terminal):
            image, sample = world_sample(seed, size, novel)
            image.save(path.parent / sample.image)
            # the record comes last: a sample with a record is whole
            file.write(sample.model_dump_json() + "\n")
            file.flush()


def _finished(path: Path, size: int) -> set[str]:
    """Ids of the samples in the file; a half-written last line is cut off."""
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    known = set()
    for sample in read_jsonl(path, Sample):
        if max(sample.size) != size:
            raise UserError(f"{path}: holds pictures of {max(sample.size)} pixels, not {size}; choose another folder")
        known.add(sample.id)
    return known


def _sample_id(seed: int, novel: bool) -> str:
    return f"world-{seed}" + ("-novel" if novel else "")
