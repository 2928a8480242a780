"""How the cost grows: with the number of phrases, the batch, the answer's length and the picture's size.

    python -m benchmarks.scale --model default | small | 7b-random

Each table measures one thing, the others held still. The bar: the masks of 32 phrases take at most 3 times as long as
those of one.
"""

from collections.abc import Callable, Sequence

import torch
from benchmarks import models, script
from benchmarks.ask import SEED, TURNS, synced
from benchmarks.timing import in_turns, table
from PIL import Image

from mglmm.predict import Predictor
from mglmm.segmenting import Picture
from mglmm.world.samples import world_sample

PHRASES = (1, 2, 8, 32)
BATCHES = (1, 4, 16)
TOKENS = (32, 128, 512)
SIDES_PX = (256, 512, 1024, 2048)


def main() -> None:
    """Print the tables of one model."""
    options = models.options(__doc__)
    predictor = models.load(options.model)
    image = world_sample(SEED, 640)[0]
    print(f"### How the cost grows, `{options.model}`\n")
    for what, ways in growths(predictor, image).items():
        seconds, _ = in_turns(ways, options.repeats)
        least = next(iter(seconds.values()))
        rows = [(name, f"{1000 * taken:.1f}", f"{taken / least:.2f}") for name, taken in seconds.items()]
        print(table((what, "ms", "ratio to the first"), rows), "\n")


def growths(predictor: Predictor, image: Image.Image) -> dict[str, dict[str, Callable[[], object]]]:
    """What is measured: for each table, the ways by name."""
    return {
        "phrases (masks alone)": {f"{n}": lambda n=n: masks_of(predictor, image, n) for n in PHRASES},
        "phrases (with the grounding encoder)": {
            f"{n}": lambda n=n: masks_of(predictor, image, n, encode=True) for n in PHRASES
        },
        "answers of 64 tokens at a time": {f"{n}": lambda n=n: answers(predictor, [image] * n, 64, 4) for n in BATCHES},
        "tokens of an answer with 4 masks": {f"{n}": lambda n=n: answers(predictor, [image], n, 4) for n in TOKENS},
        "longer side of the picture, px (64 tokens, 4 masks)": {
            f"{side}": lambda side=side: answers(predictor, [image.resize((side, side * 3 // 4))], 64, 4)
            for side in SIDES_PX
        },
    }


def masks_of(predictor: Predictor, image: Image.Image, number: int, encode: bool = False) -> object:
    """The masks of so many phrases about one picture."""
    model = predictor.model
    with torch.inference_mode():
        key = (id(predictor), id(image))
        if encode or key not in _SEEN:
            pixels = predictor.processor.grounding_pixels([image]).to(model.device)
            _SEEN[key] = model.encode_grounding(pixels)
        prompts = torch.ones(number, model.seg_projector.out_dim, device=model.device, dtype=model.dtype)
        index = torch.zeros(number, dtype=torch.long, device=model.device)
        return synced(lambda: model.decode_masks(_SEEN[key], index, prompts))


_SEEN: dict[tuple[int, int], object] = {}
"""What the grounding encoder has seen."""


def answers(predictor: Predictor, images: Sequence[Image.Image], num_tokens: int, num_masks: int) -> None:
    """So many answers of a given length, written together, each about a picture of its own."""
    way = script.scripted(predictor, script.answer_of(predictor, num_tokens, num_masks))
    way.begin([way.prepare(Picture(image), [(TURNS[0], None)], num_tokens) for image in images])
    while any(not answer.row.ended for answer in way.answers):
        way.step()
    synced(lambda: None)


if __name__ == "__main__":
    main()
