"""Samples of many shapes, and files of them, for the tests of whatever reads and writes files of samples."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, write_jsonl

HEIGHT, WIDTH = 12, 18

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def samples(draw: st.DrawFn, name: str = "a") -> Sample:
    """Any sample: segments with parents, texts in any script, any JSON as `meta`."""
    ids = draw(st.lists(st.integers(-5, 2**40), unique=True, max_size=4))
    segments = tuple(
        Segment(
            id=number,
            rle=Rle.from_mask(np.random.default_rng(draw(st.integers(0, 99))).random((HEIGHT, WIDTH)) < 0.4),
            label=draw(texts),
            caption=draw(st.none() | texts),
            parent=draw(st.sampled_from([None, *ids[:k]])),
            score=draw(st.none() | st.floats(0, 1)),
        )
        for k, number in enumerate(ids)
    )
    turns = tuple(
        Turn(
            task=draw(st.sampled_from(["mgsc", "caption", "referring"])),
            instruction=draw(texts),
            answer=draw(answers(ids)),
            granularity=draw(st.sampled_from([None, "part"])),
            region_ids=tuple(draw(st.lists(st.sampled_from(ids), max_size=2)) if ids else ()),
            follows=k > 0 and draw(st.booleans()),
            family=draw(st.none() | texts),
        )
        for k in range(draw(st.integers(0, 3)))
    )
    meta = draw(st.dictionaries(texts, json_values, max_size=3))
    exhaustive = tuple(draw(st.lists(texts, max_size=2)))
    size = (HEIGHT, WIDTH)
    return Sample(
        id=name, image=f"images/{name}.png", size=size, segments=segments, turns=turns, exhaustive=exhaustive, meta=meta
    )


@st.composite
def answers(draw: st.DrawFn, ids: list[int]) -> GroundedText:
    """A text of which every other piece is a phrase."""
    text, spans = "", []
    for k, piece in enumerate(draw(st.lists(texts, max_size=4))):
        if k % 2 and piece and ids:
            chosen = tuple(draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3)))
            spans.append(Span(start=len(text), end=len(text) + len(piece), segment_ids=chosen))
        text += piece
    return GroundedText(text=text, spans=tuple(spans))


def simple(name: str, image: str | None = None) -> Sample:
    """A car with a wheel, and a turn about both."""
    car, wheel = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    car[2:9, 1:15] = True
    wheel[6:9, 2:5] = True
    spans = (Span(start=0, end=11, segment_ids=(1,)), Span(start=16, end=23, segment_ids=(2,)))
    answer = GroundedText(text="The red car has a wheel.", spans=spans)
    return Sample(
        id=name,
        image=image or f"images/{name}.png",
        size=(HEIGHT, WIDTH),
        segments=(
            Segment(id=1, rle=Rle.from_mask(car), label="car", caption="red car"),
            Segment(id=2, rle=Rle.from_mask(wheel), label="wheel", parent=1),
        ),
        turns=(Turn(task="mgsc", instruction="Describe the car.", granularity="part", answer=answer),),
        exhaustive=("car",),
    )


def write(folder: Path, *written: Sample, file: str = "x.jsonl") -> Path:
    """A file of the samples, with a picture for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(written):
        path = folder / sample.image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (number, 60, 90)).save(path)
    write_jsonl(folder / file, written)
    return folder / file
