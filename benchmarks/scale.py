"""How the cost grows: with the number of phrases, the batch, the answer's length, the picture's and the dataset's size.

    python -m benchmarks.scale --model default | small | 7b-random

Each table measures one thing, the others held still. The bar: the masks of 32 phrases take at most 3 times as long as
those of one.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarks import models, records, script
from benchmarks.ask import SEED, TURNS, synced
from benchmarks.timing import in_turns, table
from PIL import Image

from mglmm.data.records import Records
from mglmm.model.sam import GroundingFeatures
from mglmm.predict import Predictor
from mglmm.segmenting import Picture
from mglmm.world.samples import world_sample

PHRASES = (1, 2, 8, 32)
BATCHES = (1, 4, 16)
TOKENS = (32, 128, 512)
SIDES_PX = (256, 512, 1024, 2048)
SAMPLES = (1_000, 10_000, 50_000)


def main() -> None:
    """Print the tables of one model."""
    options = models.options(__doc__)
    predictor = models.load(options.model)
    image = world_sample(SEED, 640)[0]
    print(f"### How the cost grows, `{options.model}`\n")
    with tempfile.TemporaryDirectory() as folder:
        for what, ways in growths(predictor, image, Path(folder)).items():
            seconds, _ = in_turns(ways, options.repeats)
            least = next(iter(seconds.values()))
            rows = [(name, f"{1000 * taken:.1f}", f"{taken / least:.2f}") for name, taken in seconds.items()]
            print(table((what, "ms", "ratio to the first"), rows), "\n")


def growths(predictor: Predictor, image: Image.Image, folder: Path) -> dict[str, dict[str, Callable[[], object]]]:
    """What is measured: for each table, the ways by name. `folder` takes the files of samples."""
    pixels = predictor.processor.grounding_pixels([image]).to(predictor.model.device)
    with torch.inference_mode():
        seen = predictor.model.encode_grounding(pixels)
    return {
        "phrases (masks alone)": {f"{n}": partial(masks_of, predictor, n, lambda: seen) for n in PHRASES},
        "phrases (with the grounding encoder)": {
            f"{n}": partial(masks_of, predictor, n, lambda: predictor.model.encode_grounding(pixels)) for n in PHRASES
        },
        "answers of 64 tokens at a time": {f"{n}": lambda n=n: answers(predictor, [image] * n, 64, 4) for n in BATCHES},
        "tokens of an answer with 4 masks": {f"{n}": lambda n=n: answers(predictor, [image], n, 4) for n in TOKENS},
        "longer side of the picture, px (64 tokens, 4 masks)": {
            f"{side}": lambda side=side: answers(predictor, [image.resize((side, side * 3 // 4))], 64, 4)
            for side in SIDES_PX
        },
        "samples of a file, opened, 100 read at random": {
            f"{n}": partial(read_at_random, samples_file(folder, n), 100) for n in SAMPLES
        },
    }


def masks_of(predictor: Predictor, number: int, look: Callable[[], GroundingFeatures]) -> object:
    """The masks of so many phrases about the picture that `look` gives the features of."""
    model = predictor.model
    prompts = torch.ones(number, model.seg_projector.out_dim, device=model.device, dtype=model.dtype)
    index = torch.zeros(number, dtype=torch.long, device=model.device)
    with torch.inference_mode():
        return synced(lambda: model.decode_masks(look(), index, prompts))


def answers(predictor: Predictor, images: Sequence[Image.Image], num_tokens: int, num_masks: int) -> None:
    """So many answers of a given length, written together, each about a picture of its own."""
    way = script.scripted(predictor, script.answer_of(predictor, num_tokens, num_masks))
    way.begin([way.prepare(Picture(image), [(TURNS[0], None)], num_tokens) for image in images])
    while any(not answer.row.ended for answer in way.answers):
        way.step()
    synced(lambda: None)


def samples_file(folder: Path, number: int) -> Path:
    """A file of so many samples, its index made."""
    path = folder / f"{number}.jsonl"
    records.write_lines(path, number)
    Records(path)
    return path


def read_at_random(path: Path, number: int) -> None:
    """Open a file and read so many of its samples, every one checked in full."""
    samples = Records(path)
    for index in np.random.default_rng(0).integers(len(samples), size=number).tolist():
        samples[index]


if __name__ == "__main__":
    main()
