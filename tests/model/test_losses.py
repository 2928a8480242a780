"""Mask losses against their formulas."""

import pytest
import torch

from mglmm.model import losses


def test_bce_is_the_mean_over_masks_of_the_mean_over_pixels() -> None:
    logits = torch.tensor([[[0.0, 2.0]], [[-1.0, 1.0]]])
    targets = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    p = logits.sigmoid()
    expected = -(targets * p.log() + (1 - targets) * (1 - p).log()).flatten(1).mean(1).mean()
    assert losses.mask_bce(logits, targets) == pytest.approx(float(expected), rel=1e-6)


def test_dice_is_zero_for_a_sure_and_right_mask_and_one_for_a_sure_and_wrong_one() -> None:
    targets = torch.zeros(1, 8, 8)
    targets[0, :4] = 1
    sure = (targets * 2 - 1) * 50
    assert losses.mask_dice(sure, targets) == pytest.approx(0.0, abs=1e-4)
    assert losses.mask_dice(-sure, targets) == pytest.approx(1.0, abs=1e-4)


def test_iou_error_sends_no_gradient_to_the_mask() -> None:
    logits = torch.randn(3, 4, 4, requires_grad=True)
    scores = torch.full((3,), 0.5, requires_grad=True)
    losses.iou_error(logits, torch.ones(3, 4, 4), scores).backward()
    assert logits.grad is None
    assert scores.grad is not None


def test_iou_error_of_the_true_iou_is_zero() -> None:
    targets = torch.zeros(1, 2, 2)
    targets[0, 0] = 1
    logits = torch.tensor([[[1.0, -1.0], [1.0, -1.0]]])  # overlap 1 of union 3
    assert losses.iou_error(logits, targets, torch.tensor([1 / 3])) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("loss", [losses.mask_bce, losses.mask_dice])
def test_no_masks_cost_nothing(loss) -> None:
    assert loss(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4)) == 0


def test_word_loss_is_the_mean_cross_entropy_of_the_image_tokens_that_have_words() -> None:
    logits = torch.randn(2, 3, 5)
    index = torch.tensor([[0, 0, 1], [2, 2, 0], [1, 4, 3]])  # image 0, token 2: words 1 and 4; image 1, token 0: word 3
    share = torch.tensor([0.25, 0.75, 1.0])
    log_p = logits.log_softmax(-1)
    expected = -(0.25 * log_p[0, 2, 1] + 0.75 * log_p[0, 2, 4] + log_p[1, 0, 3]) / 2
    assert losses.word_loss(logits, index, share) == pytest.approx(float(expected), rel=1e-6)
    assert losses.word_loss(logits, torch.zeros(3, 0, dtype=torch.long), torch.zeros(0)) == 0
