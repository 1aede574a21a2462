"""What surrogates see of designs and workloads: parameters, rooflines of engines, shapes of operators.

No cost function is called. What is derived is what an architect reads off: the time that an operator's products and
bytes take at an engine's peak rates, how well its shape fills the engine's unrolling, and how its operands compare with
the memories. What a real design loses beyond that is what surrogates learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.envs import ENVIRONMENTS
from archgym.envs.family import Family
from archgym.envs.roofline import Engine
from archgym.objective import FloatArray
from archgym.space import DesignSpace, Parameter
from archgym.workloads.operators import KINDS, WEIGHT_A, WEIGHT_B

FEATURES = 1  # version of what is seen: a change makes older surrogates useless, though widths may agree
FAR = 12.0  # natural logarithm of a ratio beyond which more makes no difference
ABSENT = 1e-30  # stands for zero where a logarithm is taken
MAC_J, BYTE_J = 1e-12, 1e-10  # orders of magnitude of a product and of an off-chip byte: M. Horowitz, ISSCC 2014
# Of an engine: absent ones look like these, so that they do not squeeze all others together.
TYPICAL = Engine(*(np.array(size) for size in (1e13, 1e11, 1e11, 1e6, 1e6, 1e6, 10.0, 10.0, 10.0, 4.0)))
BASES = ("one", "time", "energy", "bytes")  # what targets are measured against, by their unit
BASE_OF_UNIT = {"s": 1, "J": 2, "B": 3}
_SHAPE = ("m", "k", "n", "batch", "groups", "kernel", "width", "requests")
_SIZES = ("a_bytes", "b_bytes", "out_bytes", "resident_bytes", "vector_ops")
_BITS = ("a_bits", "b_bits", "out_bits")
_FLAGS = ("a_external", "b_external", "out_external", "phase")


class Network(NamedTuple):
    """A workload as surrogates see it.

    Attributes:
        name: canonical spec.
        operators: table [L] of archgym.workloads.operators.
        edges: data dependences [E, 2] between its rows.
    """

    name: str
    operators: np.recarray
    edges: NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """N designs on one network of L operators; natural logarithms, float32.

    Attributes:
        hardware: features of the designs [N, H].
        nodes: features of every operator on every design [N, L, F].
        bases: of every operator with its count, one for each of BASES [N, L, 4].
        totals: of the network: products, bytes, vector operations, weights [4].
        edges: [E, 2].
    """

    hardware: NDArray[np.float32]
    nodes: NDArray[np.float32]
    bases: NDArray[np.float32]
    totals: NDArray[np.float32]
    edges: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hardware)

    def take(self, rows: NDArray[np.int64] | slice) -> Seen:
        """Some of the designs."""
        return Seen(self.hardware[rows], self.nodes[rows], self.bases[rows], self.totals, self.edges)

    @cached_property
    def network_bases(self) -> NDArray[np.float32]:
        """`bases` summed over the network [N, 4]."""
        return log_sum(self.bases)

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """Features of the whole network on every design [N, F']: for models that see no graph.

        The designs' own, the network's totals, its bases, and every feature of operators as its mean, each operator
        weighted by its share of the time at the rooflines.
        """
        shares = np.exp(self.bases[:, :, 1] - self.network_bases[:, None, 1])
        means = np.einsum("nl,nlf->nf", shares, self.nodes)
        totals = np.broadcast_to(self.totals, (len(self), len(self.totals)))
        return np.concatenate([self.hardware, totals, self.network_bases[:, 1:], means], axis=1)


class Observer:
    """Sees designs of a family.

    Args:
        family: whose rooflines are read.
        technology: record of constants of the scenario.
        space: of the designs: the hardware, or hardware and compression.
    """

    def __init__(self, family: Family, technology: np.record, space: DesignSpace) -> None:
        self.family, self.technology, self.space = family, technology, space

    @classmethod
    def of(cls, environment: str, scenario: Mapping[str, Any], space: DesignSpace) -> Observer:
        """The observer of an environment by name."""
        family = ENVIRONMENTS.load(environment)
        return cls(family, family.technology(**scenario), space)

    def see(self, designs: np.ndarray, network: Network) -> Seen:
        """Design records [N] on a network."""
        engines = self._engines(designs)
        levels = [_levels(parameter, np.asarray(designs[parameter.name])) for parameter in self.space.parameters]
        rates = [_rate(field, typical) for engine in engines for field, typical in zip(engine, TYPICAL, strict=True)]
        hardware = np.concatenate([*levels, *(rate[:, None] for rate in rates)], axis=1)
        operators = network.operators
        best, features = _log_times(engines, operators, len(designs))
        # Sizes are seen against an engine's alone, where there is one: as such they tell trained networks by heart.
        own = operator_traits(operators) if engines else operator_features(operators)
        shared = np.broadcast_to(own, (len(designs), *own.shape))
        nodes = np.concatenate([*features, best[:, :, None], shared], axis=2)
        return Seen(
            hardware.astype(np.float32),
            nodes.astype(np.float32),
            _bases(best, operators).astype(np.float32),
            _totals(operators).astype(np.float32),
            network.edges,
        )

    def _engines(self, designs: np.ndarray) -> list[Engine]:
        if self.family.engines is None:
            return []
        return list(self.family.engines(self._whole(designs), self.technology).values())

    def _whole(self, designs: np.ndarray) -> np.recarray:
        """Designs with the features that only compressed networks use: data sets of hardware alone leave them out."""
        given = designs.dtype.names or ()
        absent = [parameter for parameter in self.family.space.fixed if parameter.name not in given]
        if not absent:
            return designs.view(np.recarray)
        whole = np.empty(len(designs), [*designs.dtype.descr, *((parameter.name, "<f8") for parameter in absent)])
        for name in given:
            whole[name] = designs[name]
        for parameter in absent:
            whole[parameter.name] = parameter.codes[0]
        return whole.view(np.recarray)


def log_sum(logarithms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the sum over axis 1."""
    highest = logarithms.max(axis=1, keepdims=True)
    total = highest[:, 0] + np.log(np.exp(logarithms - highest).sum(axis=1))
    return np.asarray(total, np.float32)


def operator_features(operators: np.recarray) -> FloatArray:
    """What an operator is on any design: its traits, and shape and sizes as logarithms [L, F]."""
    sizes = [_log(np.maximum(operators[name], 0.5)) for name in (*_SHAPE, *_SIZES)]
    return np.concatenate([np.stack(sizes, axis=1), operator_traits(operators)], axis=1)


def operator_traits(operators: np.recarray) -> FloatArray:
    """Kind and flags of an operator as ones, widths as logarithms [L, F]."""
    columns = [_log(np.maximum(operators[name], 0.5)) for name in _BITS]
    columns += [operators["kind"] == kind for kind in range(len(KINDS))]
    columns += [operators["weight"] == weight for weight in (WEIGHT_A, WEIGHT_B)]
    columns += [operators[name] for name in _FLAGS]
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def off_chip_bytes(operators: np.recarray) -> FloatArray:
    """Compulsory off-chip traffic [L]: weights, and what crosses the chip's boundary whatever its size."""
    a = operators.a_bytes * ((operators.weight == WEIGHT_A) | (operators.a_external > 0))
    b = operators.b_bytes * ((operators.weight == WEIGHT_B) | (operators.b_external > 0))
    return np.asarray(a + b + operators.out_bytes * (operators.out_external > 0))


def products(operators: np.recarray) -> FloatArray:
    """Multiply-accumulates of one occurrence [L]."""
    return np.asarray(operators.batch * operators.groups * operators.m * operators.k * operators.n)


def _log_times(
    engines: Sequence[Engine], operators: np.recarray, n: int
) -> tuple[FloatArray, list[NDArray[np.float64]]]:
    """Time at the roofline of the best engine [N, L], and the features of every engine [N, L, F] each."""
    if not engines:  # a family without rooflines: products and bytes as they are
        work = _log(products(operators) + off_chip_bytes(operators) + operators.vector_ops)
        return np.broadcast_to(work, (n, len(work))), []
    terms = [_terms(engine, operators) for engine in engines]
    best = np.min([np.max(times, axis=0) for times, _ in terms], axis=0)
    best = np.maximum(best, np.log(ABSENT))
    features = [
        np.stack([*(np.clip(time - best, -FAR, FAR) for time in times), *shape], axis=2) for times, shape in terms
    ]
    return best, features


def _terms(engine: Engine, operators: np.recarray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Of one engine: logarithms of times at its peak rates, and how operators fit it; each [N, L].

    Times: products, products of filled-up tiles, compulsory bytes, vector operations, in the order that their maximum
    is the roofline; then what more there may be to move.
    """
    sides = [(operators.m, engine.m), (np.maximum(operators.k, 1), engine.k), (operators.n, engine.n)]
    ratios = [_ratio(size, side) for size, side in sides]
    tiles = np.prod([np.ceil(np.exp(ratio) - 1e-9) for ratio in ratios], axis=0) * operators.batch * operators.groups
    filling = sum(ratio - np.log(np.ceil(np.exp(ratio) - 1e-9)) for ratio in ratios)
    filling += np.log(tiles / (np.ceil(tiles / _column(engine.copies)) * _column(engine.copies)))
    compute = _ratio(products(operators), engine.macs_per_s)
    memory = _ratio(off_chip_bytes(operators), engine.bytes_per_s)
    times = [
        compute,
        np.where(operators.k > 0, compute - filling, compute),
        memory,
        _ratio(operators.vector_ops, engine.vector_per_s),
    ]
    each = operators.batch * operators.groups
    everything = operators.a_bytes + operators.b_bytes + operators.out_bytes
    shape = [
        *ratios,
        filling,
        np.log(tiles),
        _ratio(everything, engine.bytes_per_s) - memory,
        _ratio(operators.a_bytes, engine.a_bytes),
        _ratio(operators.b_bytes, engine.b_bytes),
        _ratio(operators.out_bytes, engine.out_bytes),
        _ratio(operators.out_bytes, engine.a_bytes),
        _ratio(operators.a_bytes / each, engine.a_bytes),
        _ratio(operators.b_bytes / each, engine.b_bytes),
    ]
    return times, [np.clip(feature, -2 * FAR, 2 * FAR) for feature in shape]


def _bases(log_time: FloatArray, operators: np.recarray) -> FloatArray:
    """See `Seen.bases`."""
    moved = off_chip_bytes(operators)
    energy = MAC_J * products(operators) + BYTE_J * moved
    columns = [np.zeros(len(operators)), np.zeros(len(operators)), _log(energy), _log(moved)]
    bases = np.broadcast_to(np.stack(columns, axis=1), (len(log_time), len(operators), len(BASES))).copy()
    bases[:, :, 1] = log_time
    return bases + np.log(operators["count"])[:, None]


def _totals(operators: np.recarray) -> FloatArray:
    columns = [products(operators), off_chip_bytes(operators), operators.vector_ops, operators.resident_bytes]
    return _log(np.stack(columns) @ operators["count"])


def _ratio(of_operators: FloatArray, of_designs: FloatArray) -> FloatArray:
    """Logarithm of a quantity of operators [L] over one of designs [N]: [N, L]; nothing takes no time anywhere."""
    return np.asarray(_log(of_operators)[None] - _log(of_designs)[:, None])


def _rate(values: FloatArray, typical: FloatArray) -> FloatArray:
    return np.where(values > 0, _log(values) - np.log(typical), 0.0)


def _column(of_designs: FloatArray) -> FloatArray:
    return np.maximum(of_designs, 1.0)[:, None]


def _log(values: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values, ABSENT)))


def _levels(parameter: Parameter, codes: FloatArray) -> FloatArray:
    """What values of a parameter look like: [N, features]: logarithm in 0..1, or ones for a name."""
    if parameter.kind == "categorical":
        return np.asarray(codes[:, None] == np.array(parameter.codes)[None], np.float64)
    choices = np.array(parameter.codes)
    least = choices[choices > 0].min() / 2  # stands for none
    low, high = np.log(np.maximum([choices.min(), choices.max()], least))
    return (np.log(np.maximum(codes, least)) - low)[:, None] / (high - low if high > low else 1.0)
