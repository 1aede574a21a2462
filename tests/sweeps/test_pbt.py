"""Population-based training: who takes over from whom, and with which options."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archgym.agents.reinforce import Reinforce
from archgym.sweeps.pbt import Rules, drawn, pairs, perturbed

SCORES = st.lists(st.floats(1, 9) | st.just(np.inf), min_size=2, max_size=12)


@given(SCORES, st.floats(0.01, 0.5), st.integers(0, 9))
def test_the_worst_take_over_from_the_best(scores, quantile, seed) -> None:
    found = pairs(scores, Rules(len(scores), 1, quantile), np.random.default_rng(seed))
    n = min(int(np.ceil(quantile * len(scores))), len(scores) // 2)
    assert len(found) <= n
    assert not set(found) & set(found.values())
    for child, parent in found.items():
        assert scores[child] > scores[parent]
        assert sum(score < scores[parent] for score in scores) < n
        assert sum(score > scores[child] for score in scores) < n
    if len(set(scores)) == len(scores):
        assert len(found) == n


def test_who_is_no_worse_goes_on_by_itself() -> None:
    assert pairs([1.0, 1.0, 1.0, 1.0], Rules(4), np.random.default_rng(0)) == {}
    assert pairs([np.inf, np.inf], Rules(2), np.random.default_rng(0)) == {}


def test_options_change_within_their_ranges() -> None:
    ranges, rng = dict(Reinforce.hyperparameters), np.random.default_rng(0)
    held = ranges.pop("converged")
    options = drawn({"converged": 0.9}, ranges, rng)
    seen = []
    for _ in range(200):
        before, options = options, perturbed(options, ranges, rng)
        assert options["converged"] == 0.9
        assert held.low < 0.9 < held.high
        for name, choice in ranges.items():
            assert choice.low <= options[name] <= choice.high
        assert isinstance(options["batch"], int)
        seen.append(options["learning_rate"] / before["learning_rate"])
    near = np.isclose(seen, 0.8, atol=0.01) | np.isclose(seen, 1.2, atol=0.01)
    assert 0.4 < near.mean() < 0.9  # others were drawn anew, or lie at the end of the range
