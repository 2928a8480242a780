"""Answers of a whole batch as tensors, made with the model's own parts: what the parity tests compare."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from mglmm.model import MGLMMForConditionalGeneration
from mglmm.model.decoding import Decoding
from mglmm.model.sam import GroundingFeatures


@dataclass
class Answers:
    """`sequences` int[R, new], and per row mask logits float[M_r, h, w], IoU estimates float[M_r] and the prompt
    embeddings float[M_r, C] that made them."""

    sequences: torch.Tensor
    mask_logits: list[torch.Tensor]
    iou_scores: list[torch.Tensor]
    prompts: list[torch.Tensor]


@torch.no_grad()
def answers(
    model: MGLMMForConditionalGeneration,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    row_image_index: torch.Tensor,
    grounding: Callable[[list[int]], GroundingFeatures],
    constrain_markup: bool | None = None,
    max_new_tokens: int = 512,
    **image_inputs: torch.Tensor,
) -> Answers:
    """The answers to left-padded prompts; `grounding` is called with the images that have masks, if there are any."""
    decoding = Decoding(model, constrain_markup)
    limits = [max_new_tokens] * len(input_ids)
    rows = decoding.start(input_ids, attention_mask, limits, row_image_index=row_image_index, **image_inputs)
    while not all(row.ended for row in rows):
        decoding.step()
    longest = max(len(row.answer) for row in rows)
    pad = model.generation_config.pad_token_id
    sequences = torch.tensor([row.answer + [pad] * (longest - len(row.answer)) for row in rows])
    masks, scores, prompts = [], [], []
    images = [int(index) for row, index in zip(rows, row_image_index, strict=True) if row.states]
    features = grounding(images) if images else None
    for row, index in zip(rows, row_image_index.tolist(), strict=True):
        if features is None or not row.states:
            masks.append(torch.zeros(0, 0, 0))
            scores.append(torch.zeros(0))
            prompts.append(torch.zeros(0, model.seg_projector.out_dim))
            continue
        prompts.append(model.seg_projector(torch.stack(row.states)))
        place = torch.full((len(row.states),), images.index(index), device=prompts[-1].device)
        logits, sure = model.decode_masks(features, place, prompts[-1])
        masks.append(logits)
        scores.append(sure)
    return Answers(sequences.to(input_ids.device), masks, scores, prompts)
