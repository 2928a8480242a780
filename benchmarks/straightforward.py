"""The straightforward way of asking the same weights, to compare with.

transformers' `generate` for one conversation at a time, nothing kept between turns, all hidden states of all steps
kept until the end, the grounding encoder run first even if the answer needs no mask. `as_published` runs the vision
tower and the whole language model again for every token, as the authors' code does.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import LogitsProcessor

from mglmm.answering import Conversation
from mglmm.model.decoding import Markup
from mglmm.predict import Predictor
from mglmm.schema import Rle


@dataclass(frozen=True)
class Plain:
    """An answer: token ids, and the masks of its `[SEG]`."""

    ids: list[int]
    masks: list[Rle]


class _Follow(LogitsProcessor):
    """The markup's automaton for one row of `generate`."""

    def __init__(self, markup: Markup, prompt_length: int, limit: int):
        self._markup, self._length, self._limit = markup, prompt_length, limit
        self._state = markup.begin(limit)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        written = input_ids.shape[1] - self._length
        if written:
            self._state = self._markup.follow(self._state, int(input_ids[0, -1]), self._limit - written)
        return scores + self._markup.scores[self._state]


@torch.inference_mode()
def ask(predictor: Predictor, image: Image.Image, conversation: Conversation, limit: int) -> Plain:
    """The answer by `generate`."""
    model, processor = predictor.model, predictor.processor
    features = model.encode_grounding(processor.grounding_pixels([image]).to(model.device))
    inputs = processor.prompt([image], [conversation]).to(model.device, dtype=model.dtype)
    length = inputs["input_ids"].shape[1]
    output = model.lmm.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        pixel_values=inputs["pixel_values"],
        generation_config=_greedy(model, limit),
        logits_processor=[_Follow(Markup(model, model.config.constrain_markup), length, limit)],
    )
    ids = output.sequences[0, length:].tolist()
    states = [step[-1][0, -1] for step in output.hidden_states]
    return Plain(ids, _masks(predictor, image, features, ids, states))


@torch.inference_mode()
def as_published(predictor: Predictor, image: Image.Image, conversation: Conversation, limit: int) -> Plain:
    """The answer, each token by a pass over everything."""
    model, processor = predictor.model, predictor.processor
    features = model.encode_grounding(processor.grounding_pixels([image]).to(model.device))
    inputs = processor.prompt([image], [conversation]).to(model.device, dtype=model.dtype)
    ids, markup = inputs["input_ids"], Markup(model, model.config.constrain_markup)
    state, states, answer = markup.begin(limit), [], []
    while len(answer) < limit and not (answer and answer[-1] in markup.stops):
        output = model.lmm(
            input_ids=ids, pixel_values=inputs["pixel_values"], use_cache=False, output_hidden_states=True
        )
        states.append(output.hidden_states[-1][0, -1])
        token = int((output.logits[0, -1].float() + markup.scores[state]).argmax())
        answer.append(token)
        state = markup.follow(state, token, limit - len(answer))
        ids = torch.cat([ids, ids.new_tensor([[token]])], 1)
    return Plain(answer, _masks(predictor, image, features, answer, states))


def _masks(
    predictor: Predictor, image: Image.Image, features: Any, ids: Sequence[int], states: Sequence[torch.Tensor]
) -> list[Rle]:
    model = predictor.model
    kept = [state for token, state in zip(ids, states, strict=True) if token == model.config.seg_token_id]
    if not kept:
        return []
    index = torch.zeros(len(kept), dtype=torch.long, device=model.device)
    logits, _ = model.decode_masks(features, index, model.seg_projector(torch.stack(kept)))
    return [Rle.from_mask(mask) for mask in predictor.processor.masks(logits, (image.height, image.width))]


def _greedy(model: Any, limit: int) -> Any:
    """The model's way of answering; what it suppresses and biases stands in the automaton's scores."""
    settings = copy.deepcopy(model.generation_config)
    settings.max_new_tokens, settings.suppress_tokens, settings.sequence_bias = limit, None, None
    settings.output_hidden_states = settings.return_dict_in_generate = True
    return settings
