"""Compression of networks: settings, the quality they cost, and measuring it on a PyTorch module.

A user's own quality function joins by the entry-point group `archgym.quality`; it is called as `estimate` is.
"""

from typing import TYPE_CHECKING, Any

from archgym.compression.setting import Setting
from archgym.registry import Entry, Registry

if TYPE_CHECKING:
    from archgym.compression.measuring import Measured, measure
    from archgym.compression.quality import Estimate, estimate

__all__ = ["QUALITY", "Estimate", "Measured", "Setting", "estimate", "measure"]

QUALITY = Registry(
    "quality function", {"published": Entry("archgym.compression.quality:estimate", "from published results")}
)
QUALITY.group = "archgym.quality"  # a plural of quality would read oddly

_LAZY = {
    "Estimate": "archgym.compression.quality",
    "Measured": "archgym.compression.measuring",
    "estimate": "archgym.compression.quality",
    "measure": "archgym.compression.measuring",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'archgym.compression' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
