"""Learned cost models behind the contract of the analytical ones; see docs/surrogates.md.

made = archgym.surrogates.train("systolic-100k", "gnn", out="systolic-gnn")
made.predict(designs, workload)                          # values, intervals, what is unknown
archgym.search(cost_model="surrogate:systolic-gnn")
"""

from typing import TYPE_CHECKING, Any

from archgym.registry import Entry, Registry

if TYPE_CHECKING:
    from archgym.surrogates.surrogate import Prediction as Prediction
    from archgym.surrogates.surrogate import Surrogate as Surrogate
    from archgym.surrogates.surrogate import load as load
    from archgym.surrogates.training import evaluate as evaluate
    from archgym.surrogates.training import train as train

SURROGATES = Registry(
    "surrogate",
    {
        "forest": Entry("archgym.surrogates.forest:Forest", "random forest (scikit-learn)", extra="surrogates"),
        "boosting": Entry(
            "archgym.surrogates.boosting:Boosting", "gradient-boosted trees (LightGBM)", extra="surrogates"
        ),
        "mlp": Entry("archgym.surrogates.mlp:MLP", "deep ensemble of perceptrons (PyTorch)", extra="surrogates"),
        "gnn": Entry(
            "archgym.surrogates.gnn:GNN",
            "deep ensemble of graph networks over operators (PyTorch Geometric)",
            extra="surrogates",
        ),
    },
)

_LAZY = {"Prediction": "surrogate", "Surrogate": "surrogate", "load": "surrogate"} | dict.fromkeys(
    ("train", "evaluate"), "training"
)


def __getattr__(name: str) -> Any:
    """Import what is asked for; listing surrogates needs none of it."""
    import importlib

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"archgym.surrogates.{_LAZY[name]}"), name)
