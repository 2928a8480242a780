"""What older releases of transformers (5.17 on) need, so that nothing is asked of a hub while a model is made."""

from functools import cache
from typing import Any

from transformers import EdgeTamVisionConfig

DEFAULT_BACKBONE = {
    "model_type": "timm_wrapper",
    "architecture": "repvit_m1",
    "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    "num_classes": 1000,
    "label_names": [],
}
"""EdgeTAM's own backbone, as newer releases write it down."""


@cache
def name_edgetam_backbone() -> None:
    """Nothing; from now on a bare `EdgeTamVisionConfig()` knows its backbone without asking the hub for it.

    Up to some release after 5.17 it fetches `timm/repvit_m1.dist_in1k`, even when a config that needs no default is
    only printed or compared, and so no EdgeTAM can be built without a network.
    """
    if hasattr(EdgeTamVisionConfig, "sub_configs_defaults"):
        return
    original = EdgeTamVisionConfig.__post_init__

    def _post_init(self: EdgeTamVisionConfig, **kwargs: Any) -> None:
        if self.backbone_config is None:
            self.backbone_config = dict(DEFAULT_BACKBONE)
        original(self, **kwargs)

    setattr(EdgeTamVisionConfig, "__post_init__", _post_init)  # noqa: B010  (mypy knows it as a method)
