"""A model that says what it is told: answers of a given length with a given number of masks, whatever its weights."""

from collections.abc import Sequence

import torch

from mglmm import answering
from mglmm.model.decoding import Markup
from mglmm.predict import Predictor


class Script(Markup):
    """Allows one token at each place; the last one ends the answer."""

    def __init__(self, model: object, tokens: Sequence[int]):
        super().__init__(model, constrained=False)  # type: ignore[arg-type]
        vocabulary = self.scores.shape[1]
        self.scores = torch.full((len(tokens) + 1, vocabulary), -torch.inf, device=self.scores.device)
        self.scores[torch.arange(len(tokens)), torch.tensor(tokens)] = 0.0
        self.scores[len(tokens), self.stops[0]] = 0.0

    def begin(self, num_left: int) -> int:
        """The first token's place."""
        return 0

    def follow(self, state: int, token: int, num_left: int) -> int:
        """The next place."""
        return min(state + 1, len(self.scores) - 1)


def answer_of(predictor: Predictor, num_tokens: int, num_masks: int) -> list[int]:
    """Token ids of an answer: `num_masks` phrases of two words, spread evenly among other words."""
    config, tokenizer = predictor.model.config, predictor.processor.tokenizer
    word, colour = (tokenizer(text, add_special_tokens=False)["input_ids"][-1] for text in (" car", " red"))
    phrase = [config.phrase_start_token_id, colour, word, config.phrase_end_token_id, config.seg_token_id]
    if num_tokens < num_masks * (len(phrase) + 1) + 1:
        raise ValueError(f"{num_masks} phrases do not go into {num_tokens} tokens")
    filler = num_tokens - num_masks * len(phrase) - 1
    ids: list[int] = []
    for index in range(num_masks or 1):
        share = filler * (index + 1) // (num_masks or 1) - filler * index // (num_masks or 1)
        ids += [word] * share + (phrase if num_masks else [])
    return [*ids, Markup(predictor.model, False).stops[0]]


def scripted(predictor: Predictor, ids: Sequence[int], **options: bool) -> answering.Answering:
    """Answers on their way that all say `ids`."""
    way = answering.Answering(predictor.model, predictor.processor, **options)
    way._decoding.markup = Script(predictor.model, ids)
    return way
