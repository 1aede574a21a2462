"""The text form of a workload, `name[:phase][?option=value&option=value]`, checked at the edge.

A registered workload is a function such as `(batch: int = 1, bits: int = 8) -> Workload`: its keyword parameters are
the options, typed as their defaults (int, float or str). A network with phases is a mapping of
phase to such a function, the default phase first. A name with the suffix of a model or table is a file: see
archgym.workloads.files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archgym.errors import InputError, unknown
from archgym.spec import OptionValue, option_defaults, parse_options, spell_options
from archgym.workloads import WORKLOADS, files
from archgym.workloads.workload import Workload

Build = Callable[..., Workload]


def resolve(spec: str) -> tuple[str, Build, dict[str, OptionValue]]:
    """Look a spec up.

    Returns:
        The canonical spec, the function that builds the workload, and its options.

    Raises:
        InputError: malformed spec or unusable value.
        UnknownNameError: no such workload, phase or option.
    """
    if not isinstance(spec, str):
        raise InputError(f"a workload is named by text such as 'resnet50?batch=8', not by {spec!r}")
    head, mark, query = spec.strip().partition("?")
    form = files.form_of(head)
    if form and form != files.CONFIG:
        workload = files.load_file(head, query if mark else None)
        return workload.name, lambda: workload, {}
    base, colon, phase = files.split_phase(head) if form else head.partition(":")
    if "/" in base and not form:
        raise InputError(f"{base!r} is neither a built-in workload nor a file ending in {', '.join(files.FORMS)}")
    target = files.load_config(base) if form else WORKLOADS.load(base)
    name, build = _choose(base, target, phase if colon else None)
    defaults = option_defaults(build)
    options = parse_options(name, query, defaults) if mark else {}
    return name + spell_options(options, defaults), build, options


def _choose(base: str, target: Build | Mapping[str, Build], phase: str | None) -> tuple[str, Build]:
    """Canonical name without options, and the function of the phase (the first one when none is given)."""
    if not isinstance(target, Mapping):
        if phase is not None:
            raise InputError(f"workload {base!r} has no phases, but the spec names phase {phase!r}")
        return base, target
    default = next(iter(target))
    if phase is None:
        return base, target[default]
    if phase not in target:
        raise unknown(f"{base} phase", phase, target)
    return (base if phase == default else f"{base}:{phase}"), target[phase]
