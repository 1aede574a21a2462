"""Memory plans: bounds, optimality against brute force, and an independent step-by-step replay."""

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.errors import InputError, MissingExtraError, UnknownNameError
from archgym.planning import plan, planned, search, size_bytes
from archgym.workloads import Layer, Operator, Workload
from archgym.workloads.builder import Builder
from archgym.workloads.operators import WEIGHT_B
from archgym.workloads.workload import Task

LIMIT_S = 20.0


def network(sizes: list[int], inputs: list[list[int]], outputs: set[int], slices: set[tuple[int, int]] = frozenset()):
    """A workload of vector operators: layer i reads layers inputs[i], the pairs in `slices` half of it."""
    layers = []
    for index, (size, sources) in enumerate(zip(sizes, inputs, strict=True)):
        read = sum(sizes[source] / (1 + ((source, index) in slices)) for source in sources)
        external = int(not sources)
        operator = Operator("elementwise", size, 0, 1, read or 8, 0, size, a_external=external)
        layers.append(Layer(f"l{index}", Operator(**vars(operator) | {"out_external": int(index in outputs)})))
    edges = tuple(sorted((source, index) for index, sources in enumerate(inputs) for source in sources))
    return Workload("random", tuple(layers), edges)


@st.composite
def networks(draw, most: int = 6, sliced: bool = False):
    """Small random graphs with branches, concatenations, several inputs and outputs."""
    layers = draw(st.integers(1, most))
    sizes = [draw(st.integers(1, 9)) for _ in range(layers)]
    inputs = [sorted(draw(st.sets(st.integers(0, index - 1), max_size=3))) if index else [] for index in range(layers)]
    read = {source for sources in inputs for source in sources}
    outputs = set(range(layers)) - read | draw(st.sets(st.integers(0, layers - 1), max_size=1))
    pairs = [(source, index) for index, sources in enumerate(inputs) if len(sources) == 1 for source in sources]
    slices = draw(st.sets(st.sampled_from(pairs), max_size=2)) if sliced and pairs else set()
    return network(sizes, inputs, outputs, slices), draw(st.integers(0, 24))


def traffic(workload: Workload, scratchpad: float, order, kept) -> float | None:
    """Off-chip bytes of the activations when these gaps between uses are kept, None where that does not fit.

    Written apart from the package: `kept` holds (tensor, reader) whose gap since the use before is kept.
    """
    step = {layer: index for index, layer in enumerate(order)}
    total, occupied = 0.0, [0.0] * len(order)
    for tensor, layer in enumerate(workload.layers):
        readers = sorted((target for source, target in workload.edges if source == tensor), key=step.__getitem__)
        size, missed, before, here = layer.operator.out_bytes, False, tensor, set()
        for reader in readers:
            operand = workload.layers[reader].operator.a_bytes
            alone = sum(target == reader for _, target in workload.edges) == 1
            fetched = operand if alone else size
            if (tensor, reader) in kept:
                if before is None:
                    return None  # only a slice is there
                here |= set(range(step[before], step[reader] + 1))
                before = reader
                continue
            missed, total = True, total + fetched
            before = reader if fetched >= size else None
        total += size * (missed and not layer.operator.out_external)
        for index in here:
            occupied[index] += size
    return total if max(occupied) <= scratchpad else None


def brute_force(workload: Workload, scratchpad: float) -> float:
    """The least traffic over all orders and all sets of kept gaps."""
    layers = range(len(workload.layers))
    best = float("inf")
    for order in itertools.permutations(layers):
        step = {layer: index for index, layer in enumerate(order)}
        if any(step[source] > step[target] for source, target in workload.edges):
            continue
        for bits in itertools.product((0, 1), repeat=len(workload.edges)):
            kept = {edge for edge, bit in zip(workload.edges, bits, strict=True) if bit}
            total = traffic(workload, scratchpad, order, kept)
            best = best if total is None else min(best, total)
    return best + workload.compulsory_bytes


def replay(workload: Workload, plan_) -> float:
    """Run a plan step by step and count its traffic: what is read must be there, what is there must fit."""
    assert sorted(plan_.order) == list(range(len(workload.layers)))
    total, done, stored, before = workload.compulsory_bytes, set(), set(), set()
    fetched = set(plan_.fetches)
    for step, layer in enumerate(plan_.order):
        now = {stay.tensor for stay in plan_.stays if stay.first <= step <= stay.last}
        assert sum(workload.layers[tensor].operator.out_bytes for tensor in now) <= plan_.scratchpad_bytes
        sources = [source for source, target in workload.edges if target == layer]
        for source in sources:
            assert source in done
            if (source, layer) in fetched:
                assert source in stored or workload.layers[source].operator.out_external
                operand = workload.layers[layer].operator.a_bytes
                total += operand if len(sources) == 1 else workload.layers[source].operator.out_bytes
            else:
                assert source in before
                assert source in now
        assert now - before <= {layer} | {source for source in sources if (source, layer) in fetched}
        if layer in plan_.stores:
            stored.add(layer)
            total += workload.layers[layer].operator.out_bytes
        done.add(layer)
        before = now
    for one, other in itertools.combinations(plan_.stays, 2):  # addresses do not overlap in time
        if one.first <= other.last and other.first <= one.last:
            assert one.address + one.bytes <= other.address or other.address + other.bytes <= one.address
    assert all(stay.address + stay.bytes <= plan_.contiguous_bytes for stay in plan_.stays)
    return total


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(5, sliced=True))
def test_the_integer_program_finds_what_brute_force_finds(case) -> None:
    workload, scratchpad = case
    found = plan(workload, scratchpad, "ilp", LIMIT_S)
    assert found.optimal
    assert found.planned_bytes == pytest.approx(brute_force(workload, scratchpad))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(10, sliced=True))
def test_bounds_are_in_order_and_plans_replay(case) -> None:
    workload, scratchpad = case
    none, greedy, ilp = (plan(workload, scratchpad, method, LIMIT_S) for method in ("none", "greedy", "ilp"))
    slack = 1e-9
    assert workload.compulsory_bytes <= ilp.bound_bytes + slack
    assert ilp.bound_bytes <= ilp.planned_bytes + slack
    assert ilp.planned_bytes <= greedy.planned_bytes + slack
    assert greedy.planned_bytes <= none.planned_bytes + slack
    assert none.planned_bytes == none.none_bytes == ilp.none_bytes
    assert ilp.optimal
    assert 0 <= ilp.gap <= 1
    assert 0 <= greedy.saved <= ilp.saved + slack
    for found in (none, greedy, ilp):
        assert replay(workload, found) == pytest.approx(found.planned_bytes)
        assert found.peak_bytes <= scratchpad
        # the copy for the cost models says the same: its compulsory bytes are the plan's traffic
        copy = planned(workload, found)
        assert copy.compulsory_bytes == pytest.approx(found.planned_bytes)
        assert all(source < target for source, target in copy.edges)
        assert copy.name == workload.name


@settings(max_examples=30, deadline=None, derandomize=True)
@given(networks(8), st.integers(1, 10))
def test_a_larger_scratchpad_is_never_worse(case, more) -> None:
    workload, scratchpad = case
    small, large = (plan(workload, size, "ilp", LIMIT_S) for size in (scratchpad, scratchpad + more))
    assert large.planned_bytes <= small.planned_bytes + 1e-9


def test_the_order_matters_and_is_found(monkeypatch) -> None:
    # two branches that end small: one after the other they fit, side by side they do not
    inputs = [[], [0], [0], [1], [2], [3, 4]]
    workload = network([2, 8, 8, 1, 1, 1], inputs, {5})
    assert plan(workload, 11, "greedy").planned_bytes > workload.compulsory_bytes
    best = plan(workload, 11, "ilp")
    assert best.planned_bytes == workload.compulsory_bytes
    assert best.order in ((0, 1, 3, 2, 4, 5), (0, 2, 4, 1, 3, 5))
    assert best.saved == 1.0
    rows = best.steps()
    assert [row["layer"] for row in rows] == [f"l{layer}" for layer in best.order]
    assert not any(row["fetched"] or row["stored"] for row in rows)
    assert "l0" in rows[0]["resident"]
    monkeypatch.setattr(search, "ORDER_VARIABLES", 0)  # every block is too large to search its order
    given_order = plan(workload, 11, "ilp")
    assert given_order.proven
    assert not given_order.optimal
    assert given_order.order == tuple(range(6))
    assert given_order.planned_bytes > best.planned_bytes


def test_weights_caches_and_repeated_passes() -> None:
    net = Builder()
    x = net.linear("fc1", net.input(1, 16), 32)
    key = net.concat(net.input(1, 48), net.linear("key", x, 16))
    y = net.vector("elementwise", "mix", x, key, shape=(1, 32))
    workload = net.build("tiny", net.linear("fc2", y, 4))
    weights = 16 * 32 + 32 * 16 + 32 * 4
    assert workload.compulsory_bytes == weights + 16 + (48 + 16) + 4
    roomy = plan(workload, 1e6)
    # the new key feeds an operand that is read from off chip whole: it has to be there
    assert roomy.stores == (1,)
    assert roomy.planned_bytes == roomy.bound_bytes == workload.compulsory_bytes + 16
    assert planned(workload, roomy).compulsory_bytes == roomy.planned_bytes
    # a pass that occurs three times: its own tensors stay, what crosses from another pass does not
    fc1, fc2 = (
        Layer(name, Operator("matmul", 1, 8, 8, 8, 64, 8, weight=WEIGHT_B, count=count))
        for name, count in (("once", 1), ("thrice", 3))
    )
    passes = Workload("passes", (fc1, fc2, fc2), ((0, 1), (1, 2)))
    assert plan(passes, 0, "none").none_bytes == 64 + 6 * 64 + (8 + 3 * 8) + 3 * (8 + 8)
    assert plan(passes, 100).planned_bytes == 64 + 6 * 64 + (8 + 3 * 8)


def test_what_the_chip_cannot_keep_streams() -> None:
    workload = network([4, 6, 4], [[], [0], [1]], {2})
    assert plan(workload, 100).planned_bytes == workload.compulsory_bytes
    limited = plan(workload, 100, largest_bytes=5)
    assert limited.stores == (1,)
    assert limited.planned_bytes == workload.compulsory_bytes + 12
    assert plan(workload, 5).planned_bytes == limited.planned_bytes


def test_part_of_a_concatenation_is_fetched_by_a_layer_of_its_own() -> None:
    # 0 and 1 are joined by 3; 2 does not fit beside both
    workload = network([6, 3, 8, 1], [[], [0], [0, 1], [0, 1, 2]], {3})
    found = plan(workload, 12)
    copy = planned(workload, found)
    names = [layer.name for layer in copy.layers]
    assert any(name.endswith(".fetch") for name in names)
    assert copy.compulsory_bytes == found.planned_bytes


def test_an_unfinished_plan_is_never_worse_than_the_greedy_one() -> None:
    inputs = [[], *([[0]] * 8), list(range(1, 9))]
    workload = network([5, *range(3, 11), 1], inputs, {9})
    hasty, greedy = plan(workload, 24, "ilp", time_limit_s=0.0), plan(workload, 24, "greedy")
    assert workload.compulsory_bytes <= hasty.bound_bytes <= hasty.planned_bytes <= greedy.planned_bytes


def test_errors_name_what_is_wrong(monkeypatch) -> None:
    workload = network([1, 1], [[], [0]], {1})
    with pytest.raises(UnknownNameError, match="did you mean 'greedy'"):
        plan(workload, 1, "gredy")
    for size in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="zero or more bytes"):
            plan(workload, size)
    two = Workload("two", workload.layers, workload.edges, (Task("a"), Task("b")))
    with pytest.raises(InputError, match="one network"):
        plan(two, 1)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r"archgym\[planning\]"):
        plan(network([4, 3, 3, 1], [[], [0], [0], [1, 2]], {3}), 7)


def test_sizes() -> None:
    assert [size_bytes(text) for text in ("2MiB", "512 kib", "1.5MB", "65536", "1e3 B", 7)] == [
        2 * 2**20,
        512 * 2**10,
        1.5e6,
        65536,
        1000,
        7,
    ]
    for text in ("", "two", "-1MiB", "2 Mib/s", "2TB", "nan", float("nan"), -3.0):
        with pytest.raises(InputError, match="is no size"):
            size_bytes(text)
