from hypothesis import given
from hypothesis import strategies as st

from archgym.workloads.operators import OPERATOR_DTYPE, Operator, merge, operator_table

small = st.integers(1, 3)
operators = st.lists(
    st.builds(
        Operator,
        kind=st.sampled_from(["conv", "matmul"]),
        m=small,
        k=small,
        n=st.just(2),
        a_bytes=small,
        b_bytes=st.just(4),
        out_bytes=st.just(6),
        vector_ops=small,
        count=small,
    ),
    min_size=1,
    max_size=20,
)


@given(operators)
def test_merge_conserves_totals_and_leaves_no_twins(operators: list[Operator]) -> None:
    rows = merge(operators)
    merged = [operator for _, operator in rows]
    assert sum(row.macs for row in merged) == sum(row.macs for row in operators)
    for field in ("a_bytes", "vector_ops"):
        assert sum(r.count * getattr(r, field) for r in merged) == sum(r.count * getattr(r, field) for r in operators)
    assert merge(merged) == list(enumerate(merged))
    firsts = [index for index, _ in rows]
    assert firsts == sorted(firsts)


def test_operator_table_keeps_every_field() -> None:
    operator = Operator("attention", m=2, k=3, n=4, a_bytes=6, b_bytes=12, out_bytes=8, batch=5, b_external=1, count=7)
    table = operator_table([operator])
    assert table.dtype.names == OPERATOR_DTYPE.names
    assert (table.kind[0], table.m[0], table.k[0], table.n[0], table.batch[0]) == (2, 2, 3, 4, 5)
    assert (table.b_external[0], table.count[0], table.out_bits[0]) == (1, 7, 8)
