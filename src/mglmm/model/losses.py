"""Mask losses, each averaged over all masks of the batch, and the loss of the words that image tokens stand for."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

DICE_SCALE = 1000.0
DICE_EPS = 1e-6
"""Source: the authors' training code (arXiv 2409.13407)."""


def mask_bce(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over masks of the mean binary cross-entropy over pixels; 0 without masks.

    Args:
        logits: float[M, h, w].
        targets: float[M, h, w] in 0..1.
    """
    per_pixel = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return per_pixel.flatten(1).mean(1).sum() / max(len(logits), 1)


def mask_dice(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over masks of `1 - 2 |p t| / (|p| + |t|)` with p = sigmoid(logits); 0 without masks.

    Args:
        logits: float[M, h, w].
        targets: float[M, h, w] in 0..1.

    Source: Dice loss as the authors scale it (sums divided by 1000 before the epsilon).
    """
    p = logits.sigmoid().flatten(1)
    t = targets.flatten(1)
    overlap = 2 * (p / DICE_SCALE * t).sum(1)
    total = (p / DICE_SCALE).sum(1) + (t / DICE_SCALE).sum(1)
    return (1 - (overlap + DICE_EPS) / (total + DICE_EPS)).sum() / max(len(logits), 1)


def iou_error(logits: torch.Tensor, targets: torch.Tensor, iou_scores: torch.Tensor) -> torch.Tensor:
    """Mean squared error between the predicted IoU and the IoU that the mask, cut at logit 0, has; 0 without masks.

    A processor that cuts masks elsewhere (`MGLMMProcessor.mask_threshold`) gives masks of another IoU than this one.

    Args:
        logits: float[M, h, w]; only their sign counts, no gradient flows through them.
        targets: float[M, h, w] in 0..1.
        iou_scores: float[M], the mask decoder's own estimate.
    """
    found = (logits.detach() > 0).flatten(1)
    truth = (targets > 0.5).flatten(1)
    union = (found | truth).sum(1).clamp(min=1)
    actual = (found & truth).sum(1) / union
    return ((iou_scores - actual) ** 2).sum() / max(len(logits), 1)


def word_loss(logits: torch.Tensor, index: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy between the words that each place is read as and the words of what lies there; 0 if nothing
    lies anywhere.

    Args:
        logits: float[B, N, V], what is read at N places (image tokens or points) of B images.
        index: int[3, K], for each target its image, place and word.
        share: float[K], the probability of that word; those of one place sum to 1.
    """
    image, place, word = index
    return -(share * logits.log_softmax(-1)[image, place, word]).sum() / share.sum().clamp(min=1)
