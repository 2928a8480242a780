"""The mixture is a pure function of (seed, item), honours its weights, and shards without repeats or gaps."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from mglmm.data.augment import crop_sample, mirror, random_crop
from mglmm.data.balance import Step
from mglmm.data.mixture import (
    BLOCK,
    MAX_SHUFFLED,
    Capped,
    Mixture,
    PhotoSource,
    SampleSource,
    WorldSource,
    block_counts,
)
from mglmm.schema import GroundedText, Rle, Sample, Segment, Span, Turn, UserError, write_jsonl


def sample(name: str, height: int = 8, width: int = 12) -> Sample:
    """A record with a whole on the left half, a part in its corner, and three conversations."""
    whole, part = np.zeros((2, height, width), dtype=bool)
    whole[:, : width // 2] = True
    part[: height // 2, : width // 4] = True
    answer = GroundedText(text="the box.", spans=(Span(start=0, end=7, segment_ids=(1,)),))
    return Sample(
        id=name,
        image=f"{name}.png",
        size=(height, width),
        segments=(
            Segment(id=1, rle=Rle.from_mask(whole), label="box"),
            Segment(id=2, rle=Rle.from_mask(part), label="corner", parent=1),
        ),
        turns=tuple(Turn(task=task, instruction=task, answer=answer) for task in ("referring", "gcg", "caption")),
        exhaustive=("box", "corner"),
    )


def picture(name: str, height: int = 8, width: int = 12) -> tuple[Image.Image, Sample]:
    """An image whose left half is white, with its record."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2] = 255
    return Image.fromarray(pixels), sample(name, height, width)


@dataclass(frozen=True)
class Numbered:
    """A source whose image `k` is called `<name><k>`."""

    name: str
    length: int

    def __len__(self) -> int:
        return self.length

    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        return picture(f"{self.name}{index}")

    def peek(self, index: int) -> Sample:
        return self.load(index, np.random.default_rng())[1]


def mixture(lengths: dict[str, int], weights: dict[str, float], length: int = 10**6, seed: int = 0) -> Mixture:
    return Mixture({name: Numbered(name, n) for name, n in lengths.items()}, weights, length=length, seed=seed)


weights = st.lists(st.floats(0.02, 1.0), min_size=1, max_size=5)


@given(weights)
def test_block_counts_follow_the_weights(shares: list[float]) -> None:
    counts = block_counts(shares)
    assert sum(counts) == BLOCK
    exact = np.array(shares) / sum(shares) * BLOCK
    assert np.abs(np.array(counts) - exact).max() < 1


def test_a_weight_too_small_to_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0.001"):
        block_counts([1.0, 1e-5])


@settings(max_examples=20, deadline=None)
@given(weights, st.integers(0, 2**31), st.integers(0, 500))
def test_every_block_has_its_share_of_every_source(shares: list[float], seed: int, block: int) -> None:
    names = [chr(ord("a") + i) for i in range(len(shares))]
    mixed = mixture(dict.fromkeys(names, 7), dict(zip(names, shares, strict=True)), seed=seed)
    seen = Counter(mixed.place(i)[0] for i in range(block * BLOCK, (block + 1) * BLOCK))
    assert [seen[name] for name in names] == list(mixed.counts)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**31))
def test_every_image_is_seen_once_before_any_is_seen_twice(length: int, seed: int) -> None:
    mixed = mixture({"a": length, "b": 5}, {"a": 2.0, "b": 1.0}, seed=seed)
    drawn = [index for name, index in (mixed.place(i) for i in range(2 * BLOCK)) if name == "a"]
    for start in range(0, len(drawn) - length + 1, length):
        assert sorted(drawn[start : start + length]) == list(range(length))


def test_epochs_and_seeds_differ_in_order() -> None:
    mixed = mixture({"a": 50}, {"a": 1.0})
    first, second = ([mixed.place(i)[1] for i in range(start, start + 50)] for start in (0, 50))
    assert first != second
    assert first != [mixture({"a": 50}, {"a": 1.0}, seed=1).place(i)[1] for i in range(50)]


def test_a_source_too_long_to_shuffle_is_run_through_without_repeats() -> None:
    length = MAX_SHUFFLED * 1000
    mixed = mixture({"a": length}, {"a": 1.0}, seed=3)
    drawn = [mixed.place(i)[1] for i in range(3000)]
    assert len(set(drawn)) == 3000
    assert all(0 <= index < length for index in drawn)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**5), st.integers(0, 2**31))
def test_an_item_depends_on_seed_and_number_alone(item: int, seed: int) -> None:
    lengths, shares = {"a": 9, "b": 4}, {"a": 1.0, "b": 3.0}
    one, other = mixture(lengths, shares, seed=seed), mixture(lengths, shares, seed=seed)
    for i in (0, 1, 77):
        _ = other[i]  # what was asked for before changes nothing
    a, b = one[item], other[item]
    assert a.sample == b.sample
    assert a.conversations == b.conversations
    assert np.array_equal(np.asarray(a.image), np.asarray(b.image))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 12), st.integers(0, 5))
def test_ranks_share_the_items_without_repeats_or_gaps(
    num_ranks: int, batch_size: int, num_steps: int, skipped: int
) -> None:
    """The batches that accelerate hands to the ranks, also after skipping those already trained on."""
    from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler

    skipped = min(skipped, num_steps)
    length = num_ranks * batch_size * num_steps
    items = []
    for rank in range(num_ranks):
        batches = BatchSampler(SequentialSampler(range(length)), batch_size, drop_last=False)
        items += [i for b in SkipBatchSampler(BatchSamplerShard(batches, num_ranks, rank), skipped) for i in b]
    assert sorted(items) == list(range(skipped * num_ranks * batch_size, length))


def in_families(length: int = 10**6, step_items: int = 6, seed: int = 0) -> Mixture:
    """Four sources in three families."""
    lengths = {"a": 40, "b": 7, "c": 300, "d": 5}
    shares = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 2.0}
    families = {"a": "refer", "b": "refer", "c": "caption", "d": "d"}
    sources = {name: Numbered(name, n) for name, n in lengths.items()}
    return Mixture(sources, shares, length=length, seed=seed, families=families, step=Step(step_items))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**31))
def test_a_step_is_of_one_family(step_items: int, seed: int) -> None:
    mixed = in_families(step_items=step_items, seed=seed)
    family = {"a": "refer", "b": "refer", "c": "caption", "d": "d"}
    steps = [{family[mixed.place(i + s * step_items)[0]] for i in range(step_items)} for s in range(BLOCK)]
    assert all(len(step) == 1 for step in steps)
    assert Counter(name for (name,) in steps) == {"refer": BLOCK // 2, "caption": BLOCK // 4, "d": BLOCK // 4}


def test_families_honour_weights_and_see_every_image_once_before_any_twice() -> None:
    mixed = in_families(step_items=4)
    places = [mixed.place(i) for i in range(4 * BLOCK)]
    seen = Counter(name for name, _ in places)
    assert seen == {"a": BLOCK // 2, "b": 3 * BLOCK // 2, "c": BLOCK, "d": BLOCK}
    for name, length in (("a", 40), ("b", 7), ("c", 300), ("d", 5)):
        drawn = [index for source, index in places if source == name]
        for start in range(0, len(drawn) - length + 1, length):
            assert sorted(drawn[start : start + length]) == list(range(length))


def test_families_must_fit() -> None:
    sources = {"a": Numbered("a", 3)}
    with pytest.raises(ValueError, match="must name"):
        Mixture(sources, {"a": 1.0}, length=5, families={"b": "x"}, step=Step(2))
    with pytest.raises(ValueError, match="step be given"):
        Mixture(sources, {"a": 1.0}, length=5, families={"a": "x"})


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 2**31))
def test_a_cap_leaves_so_many_different_images(length: int, cap: int, seed: int) -> None:
    capped = Capped(Numbered("a", length), cap, seed)
    rng = np.random.default_rng(0)
    found = [capped.load(k, rng)[1].id for k in range(len(capped))]
    assert len(set(found)) == len(found) == min(cap, length)
    assert found == [Capped(Numbered("a", length), cap, seed).load(k, rng)[1].id for k in range(len(found))]


def test_the_order_of_a_mixture_stays_what_it_was() -> None:
    """Places of an earlier version: a run that goes on must see the images that it would have seen."""
    mixed = mixture({"a": 50, "b": 9, "c": MAX_SHUFFLED * 7}, {"a": 1.0, "b": 2.0, "c": 5.0}, seed=11)
    before = [("b", 2), ("a", 6), ("a", 18), ("b", 3), ("c", 978321), ("c", 1054840)]
    assert [mixed.place(i) for i in (0, 1, 2, 999, 1000, 123456)] == before


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 4), st.booleans())
def test_ranks_and_workers_that_go_on_share_the_items(
    num_ranks: int, batch_size: int, num_steps: int, skipped: int, families: bool
) -> None:
    """What the ranks load in all, going on in the middle of an epoch, is what is left of the items, each once."""
    from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler

    skipped = min(skipped, num_steps)
    step_items = num_ranks * batch_size
    mixed = in_families(step_items * num_steps, step_items) if families else mixture({"a": 9, "b": 4}, {"a": 1, "b": 3})
    items = range(step_items * num_steps)
    loaded: Counter[str] = Counter()
    for rank in range(num_ranks):
        batches = BatchSampler(SequentialSampler(items), batch_size, drop_last=False)
        left = SkipBatchSampler(BatchSamplerShard(batches, num_ranks, rank), skipped)
        loader = DataLoader(mixed, batch_sampler=left, collate_fn=names, num_workers=2 if rank == 0 else 0)
        loaded.update(name for batch in loader for name in batch)
    assert loaded == Counter(mixed[i].sample.id for i in items[skipped * step_items :])


def test_without_the_unified_format_nothing_is_named() -> None:
    sources = {"a": Numbered("a", 3)}
    mixed = Mixture(sources, {"a": 1.0}, length=5, conversations_per_image=3, uscdf=False)
    answers = {turn.task: turn.answer for turns in mixed[0].conversations for turn in turns}
    assert answers["referring"].phrases == ("It",) and answers["referring"].segment_ids == (1,)
    assert answers["gcg"].phrases == ("the box",)


def test_a_photo_without_anything_to_say_is_replaced_by_the_next() -> None:
    def speak(image: Image.Image, record: Sample, rng: np.random.Generator) -> tuple[Turn, ...]:
        return record.turns if record.id == "b" else ()

    source = PhotoSource([picture("a"), picture("b"), picture("c")], speak, augment=False)
    assert [source.load(k, np.random.default_rng(0))[1].id for k in range(3)] == ["b", "b", "b"]
    silent = PhotoSource([picture("a")], speak, augment=False)
    with pytest.raises(UserError, match="nothing to say"):
        silent.load(0, np.random.default_rng(0))


def names(item: list) -> list[str]:
    """A collate function that keeps the names."""
    return [i.sample.id for i in item]


def test_workers_and_no_workers_give_the_same_batches() -> None:
    mixed = mixture({"a": 9, "b": 4}, {"a": 1.0, "b": 3.0}, length=24)
    plain = list(DataLoader(mixed, batch_size=4, collate_fn=names))
    assert list(DataLoader(mixed, batch_size=4, collate_fn=names, num_workers=2)) == plain


def test_the_number_of_conversations_is_honoured() -> None:
    mixed = Mixture({"a": Numbered("a", 3)}, {"a": 1.0}, length=5, conversations_per_image=2)
    assert [len(mixed[i].conversations) for i in range(5)] == [2] * 5


def test_items_beyond_the_end_are_refused() -> None:
    with pytest.raises(IndexError):
        mixture({"a": 3}, {"a": 1.0}, length=5)[5]


class Broken(Numbered):
    def load(self, index: int, rng: np.random.Generator) -> tuple[Image.Image, Sample]:
        raise ValueError("no such pixels")


def test_a_broken_sample_raises_with_its_name() -> None:
    mixed = Mixture({"bad": Broken("x", 3)}, {"bad": 1.0}, length=5)
    with pytest.raises(ValueError, match="no such pixels") as caught:
        mixed[2]
    assert "item 2" in caught.value.__notes__[0]
    assert "source 'bad'" in caught.value.__notes__[0]


def test_the_world_is_asked_for_seeds_in_its_range() -> None:
    asked = []

    def make(seed: int, size: int) -> tuple[Image.Image, Sample]:
        asked.append((seed, size))
        return picture("w")

    mixed = Mixture({"w": WorldSource(make, size=64, start=100, end=120)}, {"w": 1.0}, length=20)
    for i in range(20):
        _ = mixed[i]
    assert sorted(asked) == [(seed, 64) for seed in range(100, 120)]


def test_samples_are_read_from_jsonl(tmp_path) -> None:
    for name in ("a", "b"):
        image, record = picture(name)
        image.save(tmp_path / record.image)
    write_jsonl(tmp_path / "x.jsonl", [sample("a"), sample("b")])
    source = SampleSource([tmp_path / "x.jsonl"])
    image, record = source.load(1, np.random.default_rng(0))
    assert (len(source), record.id, image.size) == (2, "b", (12, 8))


def test_missing_images_and_wrong_sizes_are_named(tmp_path) -> None:
    write_jsonl(tmp_path / "x.jsonl", [sample("a")])
    source = SampleSource([tmp_path / "x.jsonl"])
    with pytest.raises(UserError, match=r"a\.png: no such file; it is the image of sample a"):
        source.load(0, np.random.default_rng(0))
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"5 x 5.*\(8, 12\)"):
        source.load(0, np.random.default_rng(0))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_a_crop_keeps_masks_on_their_pixels(seed: int) -> None:
    image, record = picture("a", 40, 60)
    cropped, what_is_left = random_crop(image, record, np.random.default_rng(seed))
    assert (cropped.height, cropped.width) == what_is_left.size
    whites = (np.asarray(cropped) == 255).all(-1)
    assert np.array_equal(what_is_left.segment(1).mask, whites)
    assert what_is_left.turns == ()
    Sample.model_validate(what_is_left.model_dump())  # ids, sizes and parents still agree


def test_what_a_crop_removes_is_gone_and_a_sliver_is_no_certain_absence() -> None:
    record = sample("a", 40, 60)  # box: columns 0-29, corner: rows 0-19, columns 0-14
    without_corner = crop_sample(record, (20, 0, 60, 40))
    assert [s.id for s in without_corner.segments] == [1]
    assert without_corner.exhaustive == ("box", "corner")
    sliver = crop_sample(record, (14, 19, 60, 40))
    assert [s.id for s in sliver.segments] == [1]
    assert sliver.exhaustive == ("box",)


def test_a_part_whose_whole_is_gone_becomes_a_whole() -> None:
    record = sample("a", 40, 60)
    part, whole = record.segment(2), record.segment(1)
    elsewhere = np.zeros((40, 60), dtype=bool)
    elsewhere[:, 50:] = True
    record = record.model_copy(update={"segments": (whole.model_copy(update={"rle": Rle.from_mask(elsewhere)}), part)})
    assert crop_sample(record, (0, 0, 40, 40)).segments[0].parent is None


def test_an_image_without_segments_can_be_cropped() -> None:
    image, record = picture("a", 40, 60)
    bare = record.model_copy(update={"segments": (), "turns": ()})
    assert crop_sample(bare, (0, 0, 30, 20)).size == (20, 30)
    assert random_crop(image, bare, np.random.default_rng(0)) == (image, bare)


def test_mirroring_twice_changes_nothing() -> None:
    image, record = picture("a", 40, 60)
    once = mirror(image, record)
    assert once[1].segment(1).box == (30, 0, 60, 40)
    twice = mirror(*once)
    assert np.array_equal(np.asarray(twice[0]), np.asarray(image))
    assert twice[1].segments == record.segments


def test_captions_that_may_no_longer_be_true_are_dropped() -> None:
    image, record = picture("a", 40, 60)
    parts = [s.model_copy(update={"caption": "the corner on the left", "label": "left arm"}) for s in record.segments]
    meta = {"names": {"1": "box", "2": "corner"}, "crowd_ids": [2]}
    record = record.model_copy(update={"segments": tuple(parts), "exhaustive": ("Left_leg", "bright"), "meta": meta})
    mirrored = mirror(image, record)[1]
    assert [(s.label, s.caption) for s in mirrored.segments] == [("right arm", None)] * 2
    assert mirrored.exhaustive == ("Right_leg", "bright")
    cropped = crop_sample(record, (20, 0, 60, 40))
    assert [(s.label, s.caption) for s in cropped.segments] == [("left arm", None)]
    assert cropped.meta == {"names": {"1": "box"}, "crowd_ids": []}


def test_turns_about_photos_are_written_after_augmentation() -> None:
    seen = []

    def write(image: Image.Image, record: Sample, rng: np.random.Generator) -> tuple[Turn, ...]:
        seen.append((image.size, record.size, record.turns))
        return sample("a").turns

    source = PhotoSource([picture("a", 40, 60)], write)
    image, record = source.load(0, np.random.default_rng(5))
    assert len(record.turns) == 3
    assert seen == [(image.size, record.size, ())]
    assert image.size == record.size[::-1] != (60, 40)
