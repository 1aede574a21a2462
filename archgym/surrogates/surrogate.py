"""A trained surrogate: a model with what it was trained on, in a directory without pickle.

surrogate.json         kind and options, environment, parameters, metrics, what it was trained on, how good it is
weights.safetensors    weights of the model, and of the trees that say which designs are feasible
README.md              the model card
"""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.datasets.operators import merged_edges
from archgym.datasets.schema import DataError, Layout
from archgym.envs import ENVIRONMENTS
from archgym.errors import ArchGymError, InputError, RunError
from archgym.objective import FloatArray
from archgym.search.files import read_json
from archgym.spec import option_defaults, spell_options
from archgym.surrogates import SURROGATES
from archgym.surrogates.base import Arrays, Estimate, Model, arrays_under
from archgym.surrogates.features import FEATURES, Network, Observer, Seen, operator_features
from archgym.surrogates.validity import Validity
from archgym.workloads import Workload
from archgym.workloads.operators import OPERATOR_DTYPE

SCHEMA = 1
INFO, WEIGHTS, CARD = "surrogate.json", "weights.safetensors", "README.md"
NEEDED = {
    **dict.fromkeys(("kind", "environment", "archgym", "created", "model_hash"), str),
    **dict.fromkeys(("options", "scenario", "dataset", "designs", "feasible", "layout", "model"), dict),
    **dict.fromkeys(("workloads", "bases"), list),
    "seed": int,
}
CHUNK = 4096  # designs predicted at a time
LEVEL = 0.9  # of the intervals
SLACK = np.log(2.0)  # an operator up to twice as large as any seen is still taken for known


class SurrogateError(ArchGymError):
    """A surrogate directory that is damaged, incomplete or of another version."""


class Prediction(NamedTuple):
    """What a surrogate says of N designs on a network; T metrics in its order.

    Attributes:
        values: metrics in their units [N, T].
        std: deviation of their logarithms over the members [N, T].
        low, high: bounds of the 90 % conformal interval [N, T].
        why: code of the reason why a design is infeasible, 0 where it is feasible [N].
        unknown: whether a design or the network is unlike all that was trained on, so that numbers are guesses [N].
    """

    values: FloatArray
    std: FloatArray
    low: FloatArray
    high: FloatArray
    why: NDArray[np.int64]
    unknown: NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """What turns what a model says into values with intervals, and says what it does not know.

    Attributes:
        offsets: what was added to metrics that may be zero or negative before taking logarithms [T].
        least: what they do not fall below: 0, or minus infinity [T].
        errors: root mean square error of log targets [T].
        quantiles: of errors over their expected size: half the interval [T].
        most_std: expected size over `errors`, mean of all metrics, that no known design exceeds.
        hardware: least and greatest of each feature of trained designs [2, H].
        operators: least and greatest of each feature of trained operators [2, F].
    """

    offsets: FloatArray
    least: FloatArray
    errors: FloatArray
    quantiles: FloatArray
    most_std: float
    hardware: FloatArray
    operators: FloatArray

    def expected(self, estimate: Estimate) -> FloatArray:
        """Expected error of log targets [N, T]: of the model anywhere, and the members' disagreement here."""
        return np.asarray(np.sqrt(estimate.std.astype(np.float64) ** 2 + self.errors**2))

    def disagreement(self, estimate: Estimate) -> FloatArray:
        """Deviation of the members over the model's error, mean of the metrics [N]."""
        return np.asarray((estimate.std / self.errors).mean(axis=1))

    def unknown(self, seen: Seen, network: Network, estimate: Estimate) -> NDArray[np.bool_]:
        """Designs [N] that are unlike all that was trained on, or on a network that is."""
        outside = _outside(seen.hardware, self.hardware, 1e-4).any(axis=1)
        strange = bool(_outside(operator_features(network.operators), self.operators, SLACK).any())
        return np.asarray(outside | strange | (self.disagreement(estimate) > self.most_std))

    def arrays(self) -> Arrays:
        """For a file of weights."""
        return {f"calibration.{name}": np.asarray(array, np.float64) for name, array in vars(self).items()}

    @classmethod
    def load(cls, arrays: Arrays) -> Calibration:
        """From a file of weights."""
        named: dict[str, Any] = {name: arrays[f"calibration.{name}"] for name in cls.__dataclass_fields__}
        return cls(**named | {"most_std": float(named["most_std"])})


@dataclass(frozen=True)
class Surrogate:
    """A trained surrogate.

    Attributes:
        info: contents of surrogate.json.
        layout: parameters and metrics of the data set it was trained on.
        model, validity, calibration: what it learnt.
        weights_hash: identity of all weights.
    """

    info: dict[str, Any]
    layout: Layout
    model: Model
    validity: Validity
    calibration: Calibration
    weights_hash: str = ""

    def __repr__(self) -> str:
        return f"Surrogate({self.info['kind']!r}, {self.environment}, {len(self.metrics)} metrics)"

    @property
    def environment(self) -> str:
        """Registry name of the environment."""
        return str(self.info["environment"])

    @property
    def spec(self) -> str:
        """The environment with its scenario: `systolic?node_nm=16`."""
        family = ENVIRONMENTS.load(self.environment)
        return self.environment + spell_options(self.info["scenario"], option_defaults(family.technology))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in order."""
        return self.layout.metric_names

    @cached_property
    def observer(self) -> Observer:
        """What sees designs for it."""
        return Observer.of(self.environment, self.info["scenario"], self.layout.space)

    def predict(self, designs: np.ndarray, workload: Workload | Network) -> Prediction:
        """Metrics of design records [N] on a workload; see Prediction.

        Values need not be choices of the space: what lies outside is said to be unknown.
        """
        network = workload if isinstance(workload, Network) else network_of(workload)
        if not len(designs):
            none = np.zeros((0, len(self.metrics)))
            return Prediction(none, none, none, none, np.zeros(0, np.int64), np.zeros(0, np.bool_))
        starts = range(0, len(designs), CHUNK)  # what is seen of all operators on all designs may fill the memory
        parts = [self._predict(designs[start : start + CHUNK], network) for start in starts]
        return Prediction(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _predict(self, designs: np.ndarray, network: Network) -> Prediction:
        seen = self.observer.see(designs, network)
        estimate = self.model.predict(seen)
        half = self.calibration.quantiles * self.calibration.expected(estimate)
        low, values, high = (self._values(estimate.mean + by) for by in (-half, 0.0, half))
        return Prediction(
            values,
            estimate.std.astype(np.float64),
            low,
            high,
            self.validity.why(seen),
            self.calibration.unknown(seen, network, estimate),
        )

    def _values(self, logarithms: NDArray[Any]) -> FloatArray:
        """Metrics in their units [N, T]."""
        values = np.exp(np.minimum(logarithms.astype(np.float64), 700.0)) - self.calibration.offsets
        return np.asarray(np.maximum(values, self.calibration.least))

    def arrays(self) -> Arrays:
        """All weights."""
        _, model = self.model.state()
        named = {f"model.{name}": np.ascontiguousarray(array) for name, array in model.items()}
        return named | self.validity.arrays() | self.calibration.arrays()


def network_of(workload: Workload) -> Network:
    """A workload as surrogates see it."""
    edges = np.array(sorted(merged_edges(workload)), np.int64).reshape(-1, 2)
    return Network(workload.name, workload.operators, edges)


def load(path: str | Path) -> Surrogate:
    """Read a surrogate. No code of the directory is run.

    Raises:
        InputError: there is no surrogate.
        SurrogateError: it is damaged, or of another version.
        UnknownNameError, MissingExtraError: its kind or environment is not installed.
    """
    path = Path(path)
    info = read_info(path)
    build, _ = SURROGATES.load(info["kind"]), ENVIRONMENTS.load(info["environment"])
    arrays, digest = _read_weights(path / WEIGHTS)
    try:
        model = build(info["seed"], info["bases"], **option_defaults(build) | info["options"])
        model.load(info["model"], arrays_under(arrays, "model."))
        layout = Layout.read(info["layout"])
        made = Surrogate(info, layout, model, Validity.load(arrays), Calibration.load(arrays), digest)
        _try(made)
    except (DataError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
        reason = f"it lacks {error}" if type(error) is KeyError else textwrap.shorten(str(error), 200)
        raise SurrogateError(f"{path} is damaged: {reason}") from None
    return made


def read_info(path: Path) -> dict[str, Any]:
    """Contents of surrogate.json: all that is known of a surrogate but its weights.

    Raises:
        InputError, SurrogateError: as `load`.
    """
    if not (path / INFO).is_file():
        what = "does not exist" if not path.exists() else f"has no {INFO}" if path.is_dir() else "is no directory"
        raise InputError(f"{path} is no surrogate: it {what}")
    try:
        info = read_json(path / INFO)
    except RunError as error:
        raise SurrogateError(str(error)) from None
    if info.get("schema") != SCHEMA:
        raise SurrogateError(f"{path / INFO} has schema {info.get('schema')!r}; this version of archgym reads {SCHEMA}")
    if info.get("features") != FEATURES:
        raise SurrogateError(
            f"{path / INFO} is of a surrogate that sees designs otherwise (features {info.get('features')!r}) than "
            f"this version of archgym (features {FEATURES}): train it anew"
        )
    if wrong := [name for name, kind in NEEDED.items() if not isinstance(info.get(name), kind)]:
        raise SurrogateError(f"{path / INFO} is damaged: it lacks {', '.join(wrong)}")
    return info


def _try(made: Surrogate) -> None:
    """Predict once: parts that do not fit each other, or this version, fail here and not in the middle of a search.

    Raises:
        ValueError and others, as whatever does not fit.
    """
    operator = Network("", np.ones(1, OPERATOR_DTYPE).view(np.recarray), np.zeros((0, 2), np.int64))
    found = made.predict(made.layout.space.records(made.layout.space.centre[None]), operator)
    if found.values.shape != (1, len(made.metrics)) or not np.isfinite(found.values).all():
        raise ValueError("its weights give no numbers for its metrics")
    if not set(made.validity.codes.tolist()) <= set(range(len(made.layout.codes))):
        raise ValueError("it knows reasons that the environment has not")


def _read_weights(path: Path) -> tuple[Arrays, str]:
    """Arrays of a safetensors file, and its hash."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    try:
        data = path.read_bytes()
        return load_arrays(data), hashlib.sha256(data).hexdigest()[:16]
    except OSError as error:
        raise SurrogateError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise SurrogateError(f"{path} is damaged or half-written: {error}") from None


def _outside(features: NDArray[Any], bounds: FloatArray, slack: float) -> NDArray[np.bool_]:
    return np.asarray((features < bounds[0] - slack) | (features > bounds[1] + slack))
