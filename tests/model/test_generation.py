"""What may come next while an answer is written."""

import torch

from mglmm.model.generation import MarkupConstraint

START, END, SEG, WORD = 0, 1, 2, 3
STOPS = (4, 5)


def allowed(*answer: int) -> set[int]:
    """The tokens that may follow an answer's first tokens (behind a prompt of one)."""
    constraint = MarkupConstraint(START, END, SEG, STOPS, prompt_length=1, max_new_tokens=100)
    scores = constraint(torch.tensor([[WORD, *answer]]), torch.zeros(1, 6))
    return set((scores[0] > -torch.inf).nonzero().flatten().tolist())


def test_no_end_token_ends_a_phrase() -> None:
    assert allowed(START, WORD) == {END, WORD}
    assert allowed(WORD) == {START, WORD, *STOPS}
    assert allowed(START, WORD, END) == {SEG}
    assert allowed(START, WORD, END, SEG) == {START, SEG, WORD, *STOPS}
