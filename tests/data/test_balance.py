"""A step's items are dealt out anew: the same items, each process with about as much to do."""

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mglmm.data.balance import Size, Step, deal, size_of
from mglmm.data.mixture import Capped, Mixture, SampleSource, WorldSource
from mglmm.schema import GroundedText, Span, Turn, write_jsonl
from mglmm.world.samples import world_sample
from tests.data.records_made import simple, write

steps = st.builds(Step, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@given(steps, st.data())
def test_a_deal_keeps_the_items_and_spreads_the_cost(step: Step, data: st.DataObject) -> None:
    sizes = data.draw(
        st.lists(st.builds(Size, st.integers(0, 900), st.integers(0, 20)), min_size=step.items, max_size=step.items)
    )
    order = deal(sizes, step)
    assert sorted(order) == list(range(step.items))
    batches = [order[i : i + step.batch_size] for i in range(0, step.items, step.batch_size)]
    # of micro-batches none is longer than the next in every way: what is padded is the least that sorting can do
    lengths = sorted(sorted(sizes[item].tokens for item in batch) for batch in batches)
    assert all(before[-1] <= after[0] for before, after in zip(lengths, lengths[1:], strict=False))


def test_the_dealt_step_takes_less_of_its_slowest_process() -> None:
    sizes = [Size(400 if item % 4 == 0 else 40, 2) for item in range(16)]
    step = Step(batch_size=1, accumulated=4, num_processes=4)

    def slowest(order: list[int]) -> int:
        return max(sum(sizes[item].cost for item in order[process::4]) for process in range(4))

    assert slowest(list(range(16))) == 4 * 402
    assert slowest(deal(sizes, step)) == 402 + 3 * 42


def test_the_size_counts_characters_and_masks() -> None:
    span = Span(start=0, end=3, segment_ids=(1, 2))
    answer = GroundedText(text="the boxes are here.", spans=(span,))
    turn = Turn(task="referring", instruction="where are they?", answer=answer)
    assert size_of([[turn], [turn]]) == Size((15 + 19) * 2 // 4, 4)


def test_a_balanced_mixture_holds_the_same_items_in_every_step(tmp_path: Path) -> None:
    """Alike in every worker and after a restart, since the order of a step depends on its number alone."""
    samples = [simple(f"a{number}") for number in range(12)]
    for number, one in enumerate(samples):
        longer = one.turns[0].model_copy(update={"instruction": "word " * (number * number)})
        samples[number] = one.model_copy(update={"turns": (longer,)})
    write(tmp_path, *samples, file="a.jsonl")
    source = SampleSource([tmp_path / "a.jsonl"])
    step = Step(batch_size=1, accumulated=2, num_processes=3)

    def items(balanced: bool) -> Mixture:
        return Mixture({"a": source}, {"a": 1.0}, length=24, step=step, balanced=balanced)

    plain, balanced = items(False), items(True)
    names = [balanced[k].sample.id for k in range(24)]
    for start in range(0, 24, 6):
        assert Counter(names[start : start + 6]) == Counter(plain[k].sample.id for k in range(start, start + 6))
    assert names != [plain[k].sample.id for k in range(24)]
    assert [items(True)[k].sample.id for k in reversed(range(24))] == names[::-1]


def test_what_is_drawn_has_no_size_and_counts_as_the_mean(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [simple("a0")])
    world = WorldSource(world_sample, 64, 0, 8)
    sources = {"world": world, "cap": Capped(SampleSource([tmp_path / "a.jsonl"]), 1, 0)}
    mixed = Mixture(sources, {"world": 1.0, "cap": 1.0}, length=40, step=Step(4), balanced=True)
    known = {mixed.place(k)[0]: mixed.size(k) for k in range(40)}
    assert known["world"] is None
    assert known["cap"] is not None and known["cap"].tokens > 0
    only = Mixture({"world": world}, {"world": 1.0}, length=4, step=Step(4), balanced=True)
    assert [only[k].sample.id for k in range(4)] == [
        Mixture({"world": world}, {"world": 1.0}, length=4)[k].sample.id for k in range(4)
    ]
