"""A surrogate as a cost model: `surrogate:DIR` wherever a cost model is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archgym.costmodels import needed
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError
from archgym.metrics import Metric, metrics_dtype
from archgym.surrogates.surrogate import Surrogate, load, network_of
from archgym.workloads import Workload

UNCERTAINTY = Metric("uncertainty", "1", "half width of the 90 % interval of the least certain metric, as a factor - 1")
UNKNOWN = Metric("unknown", "1", "1 where a design or the workload is unlike all that the surrogate was trained on")


class SurrogateEvaluator(Evaluator):
    """Metrics of a trained surrogate, with how uncertain they are.

    Attributes:
        surrogate: the trained surrogate.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        path: Path,
        family: Family,
        workload: Workload,
        scenario: Mapping[str, Any] | None,
        threads: int | None = None,
    ) -> None:
        super().__init__(family, workload, scenario, threads)
        _require_same(surrogate, family, self.scenario)
        self.surrogate, self.cost_model = surrogate, f"surrogate:{path}"
        layout = surrogate.layout
        self.space = layout.space
        named = [Metric(layout.metric_of(metric.name), metric.unit, metric.doc) for metric in layout.metrics]
        self.metrics = (*named, UNCERTAINTY, UNKNOWN)
        self.reasons = layout.reasons
        self.dtype = metrics_dtype(self.metrics)
        self._network = network_of(workload)

    def identity(self) -> str:
        """Hash of the weights."""
        return self.surrogate.weights_hash

    def _fill(self, designs: np.ndarray, out: np.ndarray) -> None:
        """Predict; what the surrogate holds to be infeasible has no numbers."""
        found = self.surrogate.predict(designs, self._network)
        feasible = found.why == 0
        for column, metric in enumerate(self.metrics[:-2]):
            out[metric.name] = np.where(feasible, found.values[:, column], np.nan)
        with np.errstate(all="ignore"):
            spread = np.nanmax(np.where(found.low > 0, np.sqrt(found.high / found.low), 1.0), axis=1) - 1
        out[UNCERTAINTY.name] = np.where(feasible, spread, np.nan)
        out[UNKNOWN.name] = np.where(feasible, found.unknown.astype(np.float64), np.nan)
        out["feasible"], out["why"] = feasible, found.why


def build(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> SurrogateEvaluator:
    """The surrogate in a directory; see archgym.costmodels.

    Raises:
        InputError: there is no surrogate, or it is of another environment or scenario.
        SurrogateError: it is damaged.
    """
    path = Path(needed(argument, "surrogate:DIR")).resolve()
    return SurrogateEvaluator(load(path), path, family, workload, scenario, threads)


def _require_same(surrogate: Surrogate, family: Family, scenario: Mapping[str, Any]) -> None:
    if surrogate.environment != family.name:
        raise InputError(f"the surrogate is of environment {surrogate.environment!r}, not {family.name!r}")
    if dict(surrogate.info["scenario"]) != dict(scenario):
        raise InputError(f"the surrogate is of the scenario {surrogate.info['scenario']}, not {dict(scenario)}")
