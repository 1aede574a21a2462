"""Conformance suites: what every agent, accelerator family and surrogate must satisfy, built in or from a plugin.

    from archgym.testing import check_agent, check_family, check_surrogate
    check_agent(MyAgent)
    check_family(MYCHIP)
    check_surrogate(MyModel)

A failure is an AssertionError that names the broken part of the contract. Nothing here needs pytest.
"""

from archgym.testing.agents import check_agent
from archgym.testing.families import check_environment, check_family, check_joint, check_numbers
from archgym.testing.surrogates import check_surrogate

__all__ = ["check_agent", "check_environment", "check_family", "check_joint", "check_numbers", "check_surrogate"]
