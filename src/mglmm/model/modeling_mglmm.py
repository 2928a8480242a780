"""The join: the hidden state that predicts `[SEG]` prompts SAM's mask decoder.

The way of the data, with B images, R conversations (rows), T tokens, M masks (= number of `[SEG]`):

    input_ids[R, T], pixel_values[B, ...] -> lmm -> hidden states[R, T, D]
    hidden state before each [SEG]        -> seg_projector -> prompts[M, C]
    grounding_pixel_values[B, 3, S, S]    -> grounding encoder -> features
    prompts, features                     -> mask decoder -> mask_logits[M, h, w]

In training, the language model's head also reads the image tokens themselves (`word_loss`): each should speak the words
of what lies at its place, before any layer has mixed it with others. And points of the grounding features are compared
with the prompts that single words make (`point_loss`): each should be most like the words of what lies there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMaskGeneration,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.initialization import zeros_
from transformers.modeling_outputs import ModelOutput

from mglmm.model import families, losses, sam
from mglmm.model.configuration_mglmm import MGLMMConfig

MASK_CHUNK = 64
"""Masks decoded at once; ours: at 1024 px SAM's decoder needs about 20 MB a mask, so 64 stay near 1.3 GB."""


@dataclass
class MGLMMOutput(ModelOutput):
    """Losses are scalars, unweighted but for `loss`; `logits` float[R, T, V] (only without labels);
    `mask_logits` float[M, h, w] and `iou_scores` float[M] in the order of the `[SEG]` in reading order of the rows."""

    loss: torch.Tensor | None = None
    lm_loss: torch.Tensor | None = None
    mask_bce: torch.Tensor | None = None
    mask_dice: torch.Tensor | None = None
    iou_error: torch.Tensor | None = None
    word_loss: torch.Tensor | None = None
    point_loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    mask_logits: torch.Tensor | None = None
    iou_scores: torch.Tensor | None = None


class SegProjector(nn.Sequential):
    """Maps hidden states float[..., D] to mask prompts float[..., C]."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int):
        super().__init__(nn.Linear(in_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, out_dim))
        self.out_dim = out_dim


class MGLMMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """An image-text-to-text model whose `[SEG]` tokens are answered by masks."""

    config: MGLMMConfig
    config_class = MGLMMConfig
    base_model_prefix = "mglmm"
    main_input_name = "input_ids"
    input_modalities = ["image", "text"]
    model_tags = ["mglmm"]
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: MGLMMConfig):
        super().__init__(config)
        self.family = families.family_of(config.lmm_config)
        self.lmm = AutoModelForImageTextToText.from_config(config.lmm_config)
        self.sam = sam.without_positions(AutoModelForMaskGeneration.from_config(config.sam_config))
        width = config.get_text_config().hidden_size
        prompt_dim = config.sam_config.mask_decoder_config.hidden_size
        self.seg_projector = SegProjector(width, config.seg_projector_dim or width, prompt_dim)
        similarity = sam.PromptSimilarity(self.sam) if config.prompt_similarity else None
        self.prompt_similarity = similarity
        self._compiled_decoder: Callable[..., Any] | None = None
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """transformers' initial weights; the prompt similarity begins with the image embedding alone."""
        super()._init_weights(module)
        if self.prompt_similarity is not None and module is self.prompt_similarity.levels:
            for weight in module.parameters():
                zeros_(weight)

    def get_input_embeddings(self) -> nn.Module:
        """The language model's token embedding."""
        return self.lmm.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the language model's token embedding."""
        self.lmm.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The language model's head."""
        return self.lmm.get_output_embeddings()

    def put_channels_last(self) -> None:
        """Lay the convolutions out with the channels last: on a CPU 1.5 times as fast, forward and backward."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)

    @property
    def decoder_of_one_token(self) -> Callable[..., Any]:
        """The language model's layers, compiled if `compile_decoder` was called: for steps of one token a row."""
        return self._compiled_decoder or self.lmm.get_decoder()

    @property
    def is_decoder_compiled(self) -> bool:
        """Whether `compile_decoder` was called."""
        return self._compiled_decoder is not None

    def compile_decoder(self) -> None:
        """Have torch compile what writes one token, for any number of rows and tokens before it; it is done when it is
        first used. What is computed stays the same but for its rounding."""
        self._compiled_decoder = torch.compile(self.lmm.get_decoder().forward, dynamic=True)

    def train(self, mode: bool = True) -> "MGLMMForConditionalGeneration":
        """Switch to training; batch norms keep their statistics (batches are small and mix photographs with drawings,
        and an answer must not depend on what else is in the batch)."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        grounding_pixel_values: torch.Tensor | None = None,
        grounding_features: sam.GroundingFeatures | None = None,
        row_image_index: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        mask_labels: torch.Tensor | None = None,
        word_index: torch.Tensor | None = None,
        word_share: torch.Tensor | None = None,
        points: torch.Tensor | None = None,
        point_index: torch.Tensor | None = None,
        point_share: torch.Tensor | None = None,
        return_dict: bool | None = None,
        **lmm_inputs: Any,
    ) -> MGLMMOutput:
        """Losses (with `labels`) or logits (without), and the masks of every `[SEG]`.

        Args:
            input_ids: int[R, T]; None: images without text, of which only the losses of words and points are taken.
            attention_mask: bool or int[R, T], true where there is a token.
            pixel_values: the LMM's image input, of B images.
            grounding_pixel_values: float[B', 3, S, S] of the first B' <= B images; for the others no mask is made, and
                for none without it.
            row_image_index: int[R], the image each row speaks of; None: row r speaks of image r.
            labels: int[R, T], -100 where no loss is taken.
            mask_labels: bool or float[M, h', w'], the truth of each trained `[SEG]` of those images; logits are
                resized to h' x w'.
            word_index, word_share: int[3, K] and float[K], the words of each image token (see `losses.word_loss`).
            points: float[B', P, 2], x and y in -1..1, in the frame of `grounding_pixel_values`; needs
                `config.prompt_similarity`.
            point_index, point_share: int[3, K] and float[K], the words of each point, likewise.
            lmm_inputs: what else comes with the images (`families.LanguageFamily.image_inputs`), and what the language
                model takes, such as position_ids.

        Raises:
            ValueError: the number of `[SEG]` and of `mask_labels` differ, or points are given to a model without prompt
                similarity.
        """
        output = MGLMMOutput()
        text = None if input_ids is None else self._text(input_ids, attention_mask, row_image_index)
        image_inputs = {name: lmm_inputs.pop(name) for name in self.family.image_inputs if name in lmm_inputs}
        features = None if pixel_values is None else families.look(self.lmm, pixel_values, image_inputs, text)
        if features is not None and word_index is not None and word_share is not None:
            output.word_loss = losses.word_loss(self._words_of(features.tokens), word_index, word_share)
            output.loss = self.config.word_loss_weight * output.word_loss
        seen = grounding_features
        if grounding_pixel_values is not None:
            seen = self.encode_grounding(grounding_pixel_values)
        if seen is not None and points is not None and point_index is not None and point_share is not None:
            output.point_loss = losses.word_loss(self._words_at(seen, points), point_index, point_share)
            output.loss = _sum(output.loss, self.config.point_loss_weight * output.point_loss)
        if text is None:
            return output
        hidden = self._hidden_states(text, features, image_inputs, lmm_inputs)
        if labels is None:
            output.logits = self.get_output_embeddings()(hidden)
        else:
            trained = labels[:, 1:] != -100
            output.lm_loss = cross_entropy(
                self.get_output_embeddings()(hidden[:, :-1][trained]).float(), labels[:, 1:][trained]
            )
            output.loss = _sum(output.loss, self.config.lm_loss_weight * output.lm_loss)
        if seen is not None:
            said = text.input_ids if labels is None else labels
            logits, scores = self._masks_of_text(said, hidden, seen, text.image_of_row)
            output.mask_logits, output.iou_scores = logits, scores
            if mask_labels is not None:
                self._add_mask_losses(output, logits, scores, mask_labels)
        return self._with_gradient(output)

    def _with_gradient(self, output: MGLMMOutput) -> MGLMMOutput:
        """The output, its gradients zero where no loss reaches what is trained: as of a batch without masks when only
        masks are trained."""
        if self.training and output.lm_loss is not None and output.loss is not None and not output.loss.requires_grad:
            trained = (weight for weight in self.parameters() if weight.requires_grad)
            output.lm_loss = sum((0 * weight.sum() for weight in trained), output.lm_loss)
        return output

    def _masks_of_text(
        self,
        said: torch.Tensor,
        hidden: torch.Tensor,
        features: sam.GroundingFeatures,
        image_of_row: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits float[M, h, w] and IoU estimates float[M] of each `[SEG]` in int[R, T] whose image has features;
        `hidden` float[R, T, D] holds its prompt at the position that predicts it."""
        row, position = (said[:, 1:] == self.config.seg_token_id).nonzero().unbind(1)
        image_index = image_of_row[row]
        grounded = image_index < len(features)
        prompts = self.seg_projector(hidden[row[grounded], position[grounded]])
        return self.decode_masks(features, image_index[grounded], prompts)

    def _text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, row_image_index: torch.Tensor | None
    ) -> families.Text:
        """The rows of a batch; without `row_image_index` each has an image of its own."""
        if row_image_index is None:
            row_image_index = torch.arange(len(input_ids), device=input_ids.device)
        is_image = input_ids == self.config.lmm_config.image_token_id
        return families.Text(input_ids, attention_mask, is_image, row_image_index)

    def _hidden_states(
        self,
        text: families.Text,
        features: families.ImageFeatures | None,
        image_inputs: dict[str, torch.Tensor],
        decoder_inputs: dict[str, Any],
    ) -> torch.Tensor:
        """The language model's last hidden states float[R, T, D], after its final norm."""
        embeddings, own = self._embed(text, features, image_inputs)
        if features is not None and not self.family.packs and "position_ids" in decoder_inputs:
            raise ValueError(f"{self.config.lmm_config.model_type} makes its own positions; rows cannot be packed")
        output = self.lmm.get_decoder()(
            inputs_embeds=embeddings,
            attention_mask=text.attention_mask,
            use_cache=False,
            **{**decoder_inputs, **own},
        )
        return output.last_hidden_state

    def _embed(
        self, text: families.Text, features: families.ImageFeatures | None, image_inputs: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Embeddings float[R, T, D] of rows, and what the language model takes beside them."""
        embeddings = self.get_input_embeddings()(text.input_ids)
        if features is None:
            return embeddings, {}
        embeddings = families.embed(embeddings, text, features)
        return embeddings, self.family.decoder_inputs(self.lmm, text, image_inputs, features)

    def embed_prompt(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        row_image_index: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        **image_inputs: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Embeddings float[R, T, D] of prompts with their images in place, and what the language model takes beside
        embeddings and attention mask (see `forward` for the arguments)."""
        text = self._text(input_ids, attention_mask, row_image_index)
        features = None if pixel_values is None else families.look(self.lmm, pixel_values, image_inputs, text)
        return self._embed(text, features, image_inputs)

    def _words_of(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """float[B, N, V]: what the language model's head reads from image tokens float[N, D] of B images."""
        return self.get_output_embeddings()(self.lmm.get_decoder().norm(torch.stack(list(features)))).float()

    def _words_at(self, features: sam.GroundingFeatures, points: torch.Tensor) -> torch.Tensor:
        """float[B, P, V]: how alike each point is to the prompt that each word of the vocabulary makes by itself."""
        if self.prompt_similarity is None:
            raise ValueError("points are read by the prompt similarity; set config.prompt_similarity")
        words = self.lmm.get_decoder().norm(self.get_output_embeddings().weight)
        return self.prompt_similarity.at_points(features, points, self.seg_projector(words)).float()

    def _add_mask_losses(
        self, output: MGLMMOutput, logits: torch.Tensor, scores: torch.Tensor, mask_labels: torch.Tensor
    ) -> None:
        """Fill in the mask losses and add them to `output.loss`."""
        if len(mask_labels) != len(logits):
            raise ValueError(f"{len(logits)} [SEG] in the text but {len(mask_labels)} masks")
        targets = mask_labels.float()
        logits = logits.float()
        if len(targets) == 0:
            logits = logits.new_zeros(targets.shape)
        elif logits.shape[-2:] != targets.shape[-2:]:
            logits = interpolate(logits[:, None], targets.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        output.mask_bce = losses.mask_bce(logits, targets)
        output.mask_dice = losses.mask_dice(logits, targets)
        output.iou_error = losses.iou_error(logits, targets, scores.float())
        mask_loss = (
            self.config.mask_bce_weight * output.mask_bce
            + self.config.mask_dice_weight * output.mask_dice
            + self.config.iou_loss_weight * output.iou_error
        )
        output.loss = _sum(output.loss, mask_loss)

    def encode_grounding(self, grounding_pixel_values: torch.Tensor) -> sam.GroundingFeatures:
        """What the grounding encoder sees in float[B, 3, S, S]: costly, keep it for the following turns."""
        return sam.encode(self.sam, grounding_pixel_values.to(self.sam.dtype))

    def decode_masks(
        self, features: sam.GroundingFeatures, image_index: torch.Tensor, prompts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits float[M, h, w] and IoU estimates float[M] of `prompts` float[M, C]; `image_index` int[M]."""
        prompts = prompts[:, None].to(self.sam.dtype)
        return sam.decode(self.sam, features, image_index, prompts, MASK_CHUNK, self.prompt_similarity)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """The language model's `generate`: text alone, no masks (for these see `mglmm.predict`)."""
        kwargs.setdefault("generation_config", self.generation_config)
        return self.lmm.generate(*args, **kwargs)


def _sum(loss: torch.Tensor | None, part: torch.Tensor) -> torch.Tensor:
    """The loss with one more part."""
    return part if loss is None else loss + part


for _auto in (AutoModel, AutoModelForImageTextToText):
    _auto.register(MGLMMConfig, MGLMMForConditionalGeneration)
