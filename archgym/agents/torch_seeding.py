"""Global random generators inside an agent: seeded from its own, and given back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.distributions import Distribution


@contextmanager
def isolated(rng: np.random.Generator) -> Iterator[None]:
    """Torch and what is built on it draw from global generators: seeded from `rng` inside, given back untouched.

    Also one thread (the networks are tiny, and with two some calls of BoTorch take a minute instead of a second), and
    no validation of distributions (a quarter of PPO's time).
    """
    saved = torch.get_rng_state(), np.random.get_state(), random.getstate()
    threads, validate = torch.get_num_threads(), Distribution._validate_args
    seed = int(rng.integers(2**31))
    torch.set_num_threads(1)
    Distribution.set_default_validate_args(False)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(saved[0])
        np.random.set_state(saved[1])
        random.setstate(saved[2])
        torch.set_num_threads(threads)
        Distribution.set_default_validate_args(validate)
