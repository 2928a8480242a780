"""The configuration that is saved beside the weights."""

from typing import Any

from transformers import AutoConfig, PreTrainedConfig


class MGLMMConfig(PreTrainedConfig):
    """An image-text-to-text model (`lmm_config`) and a SAM-family model (`sam_config`), joined at `[SEG]`.

    The three token ids are those of the tokenizer saved beside the model. `seg_projector_dim` is the hidden width of
    the projector from the language model to the mask prompt. With `prompt_similarity` the dot product of the prompt
    with the grounding features is added to the mask decoder's logits (`sam.PromptSimilarity`). The six
    weights make the training loss: `lm * lm_loss + bce * mask_bce + dice * mask_dice + iou * iou_error + words *
    word_loss + points * point_loss`.

    Source: published weights 1.0 / 2.0 / 0.5; the rest is ours (arXiv 2409.13407).
    """

    model_type = "mglmm"
    sub_configs = {"lmm_config": AutoConfig, "sam_config": AutoConfig}

    def __init__(
        self,
        lmm_config: PreTrainedConfig | dict[str, Any] | None = None,
        sam_config: PreTrainedConfig | dict[str, Any] | None = None,
        seg_token_id: int = 0,
        phrase_start_token_id: int | None = None,
        phrase_end_token_id: int | None = None,
        constrain_markup: bool = True,
        seg_projector_dim: int | None = None,
        prompt_similarity: bool = False,
        lm_loss_weight: float = 1.0,
        mask_bce_weight: float = 2.0,
        mask_dice_weight: float = 0.5,
        iou_loss_weight: float = 0.0,
        word_loss_weight: float = 0.0,
        point_loss_weight: float = 0.0,
        **kwargs: Any,
    ):
        self.lmm_config = _as_config(lmm_config, default="llava")
        self.sam_config = _as_config(sam_config, default="sam")
        self.seg_token_id = seg_token_id
        self.phrase_start_token_id = phrase_start_token_id
        self.phrase_end_token_id = phrase_end_token_id
        self.constrain_markup = constrain_markup
        self.seg_projector_dim = seg_projector_dim
        self.prompt_similarity = prompt_similarity
        self.lm_loss_weight = lm_loss_weight
        self.mask_bce_weight = mask_bce_weight
        self.mask_dice_weight = mask_dice_weight
        self.iou_loss_weight = iou_loss_weight
        self.word_loss_weight = word_loss_weight
        self.point_loss_weight = point_loss_weight
        super().__init__(**kwargs)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The language model's own configuration (generation reads its sizes)."""
        return self.lmm_config.get_text_config(decoder=decoder, encoder=encoder)


def _as_config(config: PreTrainedConfig | dict[str, Any] | None, default: str) -> PreTrainedConfig:
    """A configuration object from an object, a saved dict, or None (the default of that model type)."""
    # cannot be imported while transformers' Auto classes are being imported, as this module may be
    from mglmm.model.compat import name_edgetam_backbone

    name_edgetam_backbone()
    if config is None:
        return AutoConfig.for_model(default)
    if isinstance(config, dict):
        return AutoConfig.for_model(**config)
    return config


AutoConfig.register(MGLMMConfig.model_type, MGLMMConfig)
