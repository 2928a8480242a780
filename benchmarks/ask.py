"""One picture at a time: where an answer's time goes, and ours against the straightforward way and the published one.

    python -m benchmarks.ask --model default | small | 7b-random [--published] [--compiled]

All ways ask the same weights in one run, taking turns, and must give the same text and the same masks. The bars: a
chat of three turns with masks takes at most a third of the straightforward way's time; writing tokens costs at most
1.05 of `generate` without any mask; the memory of an answer of 512 tokens with 32 masks is at most 1.2 times that of
`generate` alone and the masks. (That a caption runs no grounding encoder is a test: tests/test_predict.py.)
"""

import copy
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from benchmarks import models, script, straightforward
from benchmarks.timing import fastest, in_turns, peak_mb, table
from PIL import Image

from mglmm import grounding, masks
from mglmm.events import Grounded, Words
from mglmm.predict import Predictor
from mglmm.prediction import ImagePrediction
from mglmm.segmenting import Picture
from mglmm.world.samples import world_sample

SEED = 2**30 + 12345
"""The first held-out picture."""

TURNS = ("Describe the picture in detail, with masks.", "Segment the largest thing.", "What is in the background?")
LIMIT = 64
LONG, MANY = 512, 32
"""Tokens and masks of the long answer."""


def main() -> None:
    """Print the tables of one model."""
    options = models.options(
        __doc__,
        published="also a pass over everything for every token",
        compiled="also with the writing of tokens compiled",
    )
    seconds, predictor = fastest(lambda: models.load(options.model), 1)
    image = world_sample(SEED, 640)[0]
    print(f"### One picture at a time, `{options.model}`\n\nLoaded in {seconds:.1f} s.\n")
    print(latency(predictor, image, options.repeats), "\n")
    compiled = models.compiled(options.model) if options.compiled else None
    print(comparison(predictor, image, options.repeats, options.published, compiled), "\n")
    print(overhead(predictor, image, options.repeats), "\n")
    print(memory(options.model))


def latency(predictor: Predictor, image: Image.Image, repeats: int) -> str:
    """Where the time of an answer of 64 tokens with 6 masks goes, and when its first word and mask come."""
    model, processor = predictor.model, predictor.processor
    ids = script.answer_of(predictor, LIMIT, 6)
    inputs = processor.prompt([image], [[(TURNS[0], None)]]).to(model.device, dtype=model.dtype)
    fresh = [script.scripted(predictor, ids)._decoding for _ in range(2 * repeats)]
    pixels = processor.grounding_pixels([image]).to(model.device)
    prompts = torch.randn(6, model.seg_projector.out_dim, device=model.device, dtype=model.dtype)
    index = torch.zeros(6, dtype=torch.long, device=model.device)

    def read() -> Any:
        return fresh.pop().start(**inputs, limits=[LIMIT])

    def write() -> None:
        decoding = fresh.pop()
        (row,) = decoding.start(**inputs, limits=[LIMIT])
        while not row.ended:
            decoding.step()

    with torch.inference_mode():
        look, _ = fastest(lambda: processor.prompt([image], [[(TURNS[0], None)]]), repeats)
        prefill, _ = fastest(lambda: synced(read), repeats)
        written, _ = fastest(lambda: synced(write), repeats)
        encode, features = fastest(lambda: synced(lambda: model.encode_grounding(pixels)), repeats)
        decode, (logits, _) = fastest(lambda: synced(lambda: model.decode_masks(features, index, prompts)), repeats)
        rle, _ = fastest(lambda: list(processor.masks(logits, (image.height, image.width))), repeats)
    first_word, first_mask, whole = min(first_times(predictor, image, ids) for _ in range(repeats))
    rows = [
        ("picture and text to tensors", look),
        ("reading them (vision tower, prompt)", prefill),
        (f"writing {LIMIT} tokens", written - prefill),
        ("grounding encoder", encode),
        ("6 masks", decode),
        ("6 masks to the picture's size", rle),
        ("streamed: first word after", first_word),
        ("streamed: first mask after", first_mask),
        ("streamed: whole answer after", whole),
    ]
    return table(("part", "ms"), [(name, f"{1000 * taken:.1f}") for name, taken in rows])


def first_times(predictor: Predictor, image: Image.Image, ids: list[int]) -> tuple[float, float, float]:
    """Seconds until the first word, the first mask and the end of a streamed answer."""
    start = time.perf_counter()
    way = script.scripted(predictor, ids)
    events = way.begin([way.prepare(Picture(image), [(TURNS[0], None)], LIMIT, streamed=True)])
    word = mask = 0.0
    while True:
        for _, event in events:
            now = time.perf_counter() - start
            word = word or (now if isinstance(event, Words) else 0.0)
            mask = mask or (now if isinstance(event, Grounded) else 0.0)
            if isinstance(event, ImagePrediction):
                return word, mask, now
        events = way.step()


def comparison(
    predictor: Predictor, image: Image.Image, repeats: int, published: bool, compiled: Predictor | None
) -> str:
    """A question, and a chat of three turns, in every way."""
    askers: dict[str, Callable[[tuple[str, ...]], Any]] = {
        "ours": lambda turns: ours(predictor, image, turns),
        "straightforward": lambda turns: plainly(predictor, image, straightforward.ask, turns),
    }
    if compiled is not None:
        askers["ours, compiled"] = lambda turns: ours(compiled, image, turns)
    if published:
        askers["as published"] = lambda turns: plainly(predictor, image, straightforward.as_published, turns)
    one: dict[str, Callable[[], Any]] = {name: partial(ask, TURNS[:1]) for name, ask in askers.items()}
    ways: dict[str, Callable[[], Any]] = {name: partial(ask, TURNS) for name, ask in askers.items()}
    single, _ = in_turns(one, repeats)
    three, answers = in_turns(ways, repeats)
    for before, after in pairwise(answers.values()):
        if [text for text, _ in before] != [text for text, _ in after]:
            raise SystemExit("the ways give other texts")
        if not all(map(nearly_same, before, after)):
            raise SystemExit("the ways give other masks")
    num_masks = sum(len(found) for _, found in answers["ours"])
    rows = [(name, f"{single[name]:.3f}", f"{three[name]:.3f}", f"{three[name] / three['ours']:.2f}") for name in ways]
    about = f"The chat has {num_masks} masks; all ways give the same texts and masks.\n\n"
    return about + table(("way", "one question, s", "three turns, s", "three turns, ratio to ours"), rows)


def ours(predictor: Predictor, image: Image.Image, turns: tuple[str, ...]) -> list[tuple[str, list[Any]]]:
    """Text and masks of each turn of a chat."""
    chat = predictor.chat(image)
    answers = [chat.ask(turn, max_new_tokens=LIMIT) for turn in turns]
    return [(grounding.render(a.answer), [segment.rle for segment in a.segments]) for a in answers]


def plainly(
    predictor: Predictor, image: Image.Image, ask: Callable[..., straightforward.Plain], turns: tuple[str, ...]
) -> list[tuple[str, list[Any]]]:
    """The same in another way."""
    history: list[tuple[str, str | None]] = []
    answers = []
    for turn in turns:
        answer = ask(predictor, image, [*history, (turn, None)], LIMIT)
        text = predictor.processor.decode_answer(answer.ids)
        history.append((turn, text))
        answers.append((as_rendered(text), answer.masks))
    return answers


def as_rendered(text: str) -> str:
    """An answer with its markup as `grounding.render` writes it: tokenizers put no space behind some of it."""
    return grounding.render(grounding.parse(text).text)


def nearly_same(one: tuple[str, list[Any]], other: tuple[str, list[Any]]) -> bool:
    """Texts alike, and masks alike but for a thousandth of them: what is read in parts is rounded otherwise."""
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return False
    pairs = zip(one[1], other[1], strict=True)
    return all(a == b or masks.iou_matrix([a.to_coco()], [b.to_coco()])[0, 0] > 0.999 for a, b in pairs)


def overhead(predictor: Predictor, image: Image.Image, repeats: int) -> str:
    """Writing 64 tokens with what grounding adds (one kept vector for each of 6 masks), and `generate` alone."""
    model = predictor.model
    ids = script.answer_of(predictor, LIMIT, 6)
    inputs = predictor.processor.prompt([image], [[(TURNS[0], None)]]).to(model.device, dtype=model.dtype)
    plain = {name: value for name, value in inputs.items() if name != "row_image_index"}
    settings = copy.deepcopy(model.generation_config)
    settings.min_new_tokens = settings.max_new_tokens = LIMIT
    settings.sequence_bias = None

    def write() -> list[int]:
        decoding = script.scripted(predictor, ids)._decoding
        (row,) = decoding.start(**inputs, limits=[LIMIT])
        while not row.ended:
            decoding.step()
        return row.answer

    first = copy.deepcopy(settings)
    first.min_new_tokens = first.max_new_tokens = 1
    ways = {
        "ours": write,
        "generate": lambda: model.lmm.generate(**plain, generation_config=settings),
        "prompt": lambda: model.lmm.generate(**plain, generation_config=first),
    }
    with torch.inference_mode():
        seconds, _ = in_turns({name: lambda way=way: synced(way) for name, way in ways.items()}, repeats)
    ratio = (seconds["ours"] - seconds["prompt"]) / (seconds["generate"] - seconds["prompt"])
    return (
        f"Beyond the prompt and its first token, writing {LIMIT} tokens takes {ratio:.2f} of the time of `generate` "
        "without masks (bar: 1.05)."
    )


def memory(model: str) -> str:
    """Peaks of processes that give the long answer with masks, and by `generate` alone."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name, work in {"masks": _with_masks, "generate": _generate_alone}.items():
        with context.Pool(1) as pool:
            peaks[name] = pool.apply(work, (model,))
    (loaded, with_masks, mask_mb), (_, alone, _) = peaks["masks"], peaks["generate"]
    whole, growth = with_masks / (alone + mask_mb), (with_masks - loaded) / (alone - loaded + mask_mb)
    return (
        f"An answer of {LONG} tokens with {MANY} masks holds {with_masks:.0f} MB at its peak, `generate` alone "
        f"{alone:.0f} MB, the masks {mask_mb:.0f} MB: {whole:.2f} (bar: 1.2). Beyond the loaded model "
        f"({loaded:.0f} MB): {growth:.2f}."
    )


def _with_masks(model: str) -> tuple[float, float, float]:
    """MB: once loaded, at the peak, of the masks themselves."""
    predictor = models.load(model)
    loaded = peak_mb()
    image = world_sample(SEED, 640)[0]
    way = script.scripted(predictor, script.answer_of(predictor, LONG, MANY))
    events = way.begin([way.prepare(Picture(image), [(TURNS[0], None)], LONG)])
    while not events:
        events = way.step()
    ((_, answer),) = events
    if not isinstance(answer, ImagePrediction) or len(answer.segments) != MANY:
        raise SystemExit("the long answer has other masks than asked for")
    return loaded, peak_mb(), MANY * image.width * image.height / 2**20


@torch.inference_mode()
def _generate_alone(model: str) -> tuple[float, float, float]:
    predictor = models.load(model)
    loaded = peak_mb()
    inputs = predictor.processor.prompt([world_sample(SEED, 640)[0]], [[(TURNS[0], None)]])
    del inputs["row_image_index"]
    settings = copy.deepcopy(predictor.model.generation_config)
    settings.min_new_tokens = settings.max_new_tokens = LONG
    settings.sequence_bias = None
    predictor.model.lmm.generate(**inputs.to(predictor.model.device), generation_config=settings)
    return loaded, peak_mb(), 0.0


def synced(work: Callable[[], Any]) -> Any:
    """The result once the device has it."""
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result


if __name__ == "__main__":
    main()
