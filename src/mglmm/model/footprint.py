"""How much memory a computation takes, found out without doing it: on torch's meta device, which has shapes alone."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten


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
        leaves, structure = tree_flatten((args, kwargs or {}))
        given = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if any(tensor.is_meta for tensor in given):
            if func is torch.ops.aten._local_scalar_dense.default and given[0].dtype == torch.bool:
                return True
            args, kwargs = tree_unflatten([_on_meta(leaf) for leaf in leaves], structure)
        for tensor in given:
            self._meet(tensor.untyped_storage(), num_bytes=0)  # a weight, of which there may be views
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                self._meet(storage, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def _meet(self, storage: torch.UntypedStorage, num_bytes: int) -> None:
        key = storage._cdata
        if key not in self._storages:
            self._storages[key] = num_bytes
            self.now += num_bytes
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
    """A tensor without its values, and the device where such are made."""
    if isinstance(value, torch.Tensor):
        return value if value.is_meta else value.to("meta")
    return torch.device("meta") if isinstance(value, torch.device) else value
