"""Packing conversations about one image into one row."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mglmm.data.collate import IGNORED, pack, visibility

SHARED = [1, 2, 3]


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[list[int], list[int]]]:
    """Conversations with a shared beginning, an untrained instruction and a trained answer each."""
    out = []
    for _ in range(draw(st.integers(1, 4))):
        asked = draw(st.lists(st.integers(10, 20), min_size=1, max_size=4))
        answered = draw(st.lists(st.integers(30, 40), min_size=1, max_size=4))
        out.append((SHARED + asked + answered, [IGNORED] * (len(SHARED) + len(asked)) + answered))
    return out


@given(rows())
def test_packing_loses_no_trained_token_and_keeps_positions(conversations) -> None:
    row = pack([ids for ids, _ in conversations], [labels for _, labels in conversations])
    trained = [label for label in row.labels if label != IGNORED]
    assert trained == [label for _, labels in conversations for label in labels if label != IGNORED]
    for number, (ids, _) in enumerate(conversations, start=1):
        mine = [i for i, c in enumerate(row.conversation) if c in (0, number)]
        assert [row.ids[i] for i in mine] == ids
        assert [row.positions[i] for i in mine] == list(range(len(ids)))


@given(rows())
def test_the_token_before_a_trained_one_is_of_its_own_conversation(conversations) -> None:
    row = pack([ids for ids, _ in conversations], [labels for _, labels in conversations])
    for i, label in enumerate(row.labels):
        if label != IGNORED:
            assert row.conversation[i - 1] == row.conversation[i]


def test_visibility_is_causal_within_a_conversation_and_the_shared_beginning() -> None:
    seen = visibility(torch.tensor([[0, 1, 1, 2, -1]]))[0, 0]
    expected = torch.tensor(
        [
            [1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0],
            [1, 0, 0, 1, 0],
            [1, 0, 0, 0, 1],
        ],
        dtype=torch.bool,
    )
    assert torch.equal(seen[:4], expected[:4])
    assert seen[4, 4]
