"""Memory planning: the least off-chip traffic of a network over operator order and tensor placement.

The problem is that of COSMA (arXiv 2311.18246); docs/planning.md defines it.
"""

from archgym.planning.plan import METHODS, Plan, plan, size_bytes
from archgym.planning.replay import Residency
from archgym.planning.workload import planned

__all__ = ["METHODS", "Plan", "Residency", "plan", "planned", "size_bytes"]
