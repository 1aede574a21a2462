"""What the shell offers at Tab: names out of registries, which import nothing heavy.

A name with options, `llama3-8b:decode?batch=8`, is completed up to its colon or question mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archgym.registry import Registry

Offers = Iterator[tuple[str, str]]  # what may be typed, and what it means


def environments(incomplete: str) -> Offers:
    """Environments."""
    from archgym.envs import ENVIRONMENTS

    yield from _entries(ENVIRONMENTS, incomplete)


def agents(incomplete: str) -> Offers:
    """Agents, and `auto`."""
    from archgym.agents import AGENTS

    if "auto".startswith(incomplete):
        yield "auto", "the one that suits the budget"
    yield from _entries(AGENTS, incomplete)


def workloads(incomplete: str) -> Offers:
    """Built-in workloads; the shell completes files by itself."""
    from archgym.workloads import WORKLOADS

    yield from _entries(WORKLOADS, incomplete)


def surrogates(incomplete: str) -> Offers:
    """Models of surrogates."""
    from archgym.surrogates import SURROGATES

    yield from _entries(SURROGATES, incomplete)


def validations(incomplete: str) -> Offers:
    """What can be validated."""
    yield from environments(incomplete)
    yield from _starting({"compression": "gains of compressed networks", "quality": "quality model"}, incomplete)


def figures(incomplete: str) -> Offers:
    """Figures of reports."""
    from archgym.reports.figures import FIGURES

    yield from _entries(FIGURES, incomplete)


def _entries(registry: Registry, incomplete: str) -> Iterable[tuple[str, str]]:
    return _starting({name: entry.summary for name, entry in registry.entries.items()}, incomplete)


def _starting(offers: dict[str, str], incomplete: str) -> Iterable[tuple[str, str]]:
    return [(name, summary) for name, summary in offers.items() if name.startswith(incomplete)]
