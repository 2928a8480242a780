"""How much memory a computation takes, found out without doing it: on torch's meta device, which has shapes alone."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are made inside it: `now` those still there, `peak` the most at once.

    Weights of shapes alone (meta device) meet real inputs: what both go into has a shape alone too. Where code asks a
    truth of such a tensor the answer is yes, as for the mask of one whole picture, which hides nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._storages: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Run the operation and count what it makes."""
        kwargs = kwargs or {}
        if any(isinstance(leaf, torch.Tensor) and leaf.is_meta for leaf in tree_leaves((args, kwargs))):
            if func is torch.ops.aten._local_scalar_dense.default and args[0].dtype == torch.bool:
                return True
            args, kwargs = tree_map(_on_meta, (args, kwargs))
        made = func(*args, **kwargs)
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        self.peak = max(self.peak, self.now)
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._storages:
            self._storages[key] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._storages.pop(key)


class _FusedAttention(TorchFunctionMode):
    """Attention as its fused kernels take memory: for its result alone, never for a score of each pair of tokens."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            query, _, value = (*args, *(kwargs[name] for name in ("query", "key", "value")[len(args) :]))[:3]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **kwargs)


@contextmanager
def counted() -> Iterator[LiveBytes]:
    """Inside, memory is counted; no gradients are kept."""
    with torch.no_grad(), _FusedAttention(), LiveBytes() as live:
        yield live


def _on_meta(value: Any) -> Any:
    """Tensors without their values, and the device where such are made."""
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    return torch.device("meta") if isinstance(value, torch.device) else value
