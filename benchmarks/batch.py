"""Many requests: `ask_many` on 32 mixed questions against the straightforward way, one after the other.

    python -m benchmarks.batch --model default | small | 7b-random

Eight pictures of different shapes, four questions about each (a scene, a thing, a caption, a question), in one run. The
bar: at least 3 times the rate of the straightforward way. Counted are answers that
differ: in their text, or in a mask by more than a thousandth.
"""

from benchmarks import models, straightforward
from benchmarks.ask import LIMIT, SEED, as_rendered, nearly_same, synced
from benchmarks.timing import in_turns, table

from mglmm import grounding
from mglmm.predict import Predictor
from mglmm.world.samples import world_sample

QUESTIONS = (
    "Describe the picture in detail, with masks.",
    "Segment the largest thing.",
    "Describe the picture in one sentence.",
    "How many things are there?",
)
NUM_PICTURES = 8
BATCH_SIZES = (1, 16, 32)


def main() -> None:
    """Print the table of one model."""
    options = models.options(__doc__, repeats=3)
    print(f"### Many requests, `{options.model}`\n")
    print(rates(models.load(options.model), options.repeats))


def rates(predictor: Predictor, repeats: int) -> str:
    """Questions a second, in every way."""
    pictures = [world_sample(SEED + number)[0] for number in range(NUM_PICTURES)]
    asked = [(picture, text) for picture in pictures for text in QUESTIONS]

    def one_by_one() -> list[straightforward.Plain]:
        return [straightforward.ask(predictor, picture, [(text, None)], LIMIT) for picture, text in asked]

    ways = {"straightforward, one by one": lambda: synced(one_by_one)} | {
        f"ask_many, {size} at a time": lambda size=size: synced(
            lambda: predictor.ask_many(asked, batch_size=size, max_new_tokens=LIMIT)
        )
        for size in BATCH_SIZES
    }
    seconds, answers = in_turns(ways, repeats)
    first, *others = answers.values()
    expected = [(as_rendered(predictor.processor.decode_answer(a.ids)), a.masks) for a in first]
    num_other = [
        sum(
            not nearly_same(plain, (grounding.render(a.answer), [s.rle for s in a.segments]))
            for plain, a in zip(expected, given, strict=True)
        )
        for given in others
    ]
    slowest = seconds["straightforward, one by one"]
    rows = [
        (name, f"{len(asked) / taken:.1f}", f"{slowest / taken:.2f}", other)
        for (name, taken), other in zip(seconds.items(), [0, *num_other], strict=True)
    ]
    return table(("way", "questions a second", "ratio", "answers that differ"), rows)


if __name__ == "__main__":
    main()
