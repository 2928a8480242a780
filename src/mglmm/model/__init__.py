"""The model: a language model that sees (`lmm`) and a SAM that masks, joined at `[SEG]`.

Importing this package registers the classes with transformers' Auto classes.
"""

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from mglmm.model.compat import name_edgetam_backbone
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.modeling_mglmm import GroundedOutput, MGLMMForConditionalGeneration, MGLMMOutput
from mglmm.model.processing_mglmm import MGLMMProcessor
from mglmm.model.tokenization_mglmm import LegacyLlamaTokenizer

name_edgetam_backbone()
AutoConfig.register(MGLMMConfig.model_type, MGLMMConfig)
AutoModelForImageTextToText.register(MGLMMConfig, MGLMMForConditionalGeneration)
AutoProcessor.register(MGLMMConfig, MGLMMProcessor)
AutoTokenizer.register(MGLMMConfig, fast_tokenizer_class=LegacyLlamaTokenizer)

__all__ = ["GroundedOutput", "MGLMMConfig", "MGLMMForConditionalGeneration", "MGLMMOutput", "MGLMMProcessor"]
