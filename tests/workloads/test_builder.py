"""Layers worked out by hand."""

from archgym.workloads.builder import Builder
from archgym.workloads.operators import WEIGHT_B, WEIGHT_NONE


def test_grouped_convolution_keeps_the_footprint_of_its_input() -> None:
    net = Builder(bits=16)
    x = net.conv("c", net.input(2, 9, 7, 8), 12, 3, stride=2, groups=4, activation=1)
    assert x.shape == (2, 5, 4, 12)
    operator = net.build("one", x).layers[0].operator
    assert (operator.groups, operator.m, operator.k, operator.n) == (4, 2 * 5 * 4, 2 * 9, 3)
    assert (operator.a_bytes, operator.b_bytes, operator.out_bytes) == (
        2 * 9 * 7 * 8 * 2,
        12 * 2 * 9 * 2,
        2 * 5 * 4 * 12 * 2,
    )
    assert (operator.weight, operator.a_external, operator.out_external) == (WEIGHT_B, 1, 1)
    assert operator.vector_ops == 2 * 5 * 4 * 12


def test_query_heads_that_share_keys_are_rows_of_one_product() -> None:
    net = Builder()
    query, key = net.input(3, 5, 8, 16), net.input(3, 7, 2, 16)
    scores = net.scores("scores", query, key)
    mixed = net.mix("context", scores, key)
    first, second = (layer.operator for layer in net.build("attention", mixed).layers)
    assert (first.batch, first.m, first.k, first.n) == (3 * 2, 4 * 5, 16, 7)
    assert (second.batch, second.m, second.k, second.n) == (3 * 2, 4 * 5, 7, 16)
    assert (first.a_bytes, first.b_bytes, first.out_bytes) == (3 * 5 * 8 * 16, 3 * 7 * 2 * 16, 3 * 8 * 5 * 7)
    assert first.weight == WEIGHT_NONE
    assert mixed.shape == (3, 5, 8 * 16)


def test_external_tensor_is_fetched_once_and_concat_passes_dependences_through() -> None:
    net = Builder()
    x = net.input(1, 4)
    left, right = net.linear("left", x, 4), net.linear("right", x, 4)
    both = net.concat(left, right)
    out = net.add("out", both, both)
    work = net.build("branches", out)
    assert both.shape == (1, 8)
    assert [layer.operator.a_external for layer in work.layers] == [1, 0, 0]
    assert work.edges == ((0, 2), (1, 2))
    assert work.compulsory_bytes == 4 + 2 * 16 + 8
