"""The quality of a compressed workload: which network's published results speak for it, and by which function."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.compression.setting import Setting
from archgym.errors import InputError, unknown
from archgym.metrics import Metric

if TYPE_CHECKING:
    from archgym.compression.quality import Estimate
    from archgym.workloads import Workload

QUALITY_METRICS = (
    Metric("quality_loss", "", "ln(perplexity / that of dense 16 bits), or relative drop of the score"),
    Metric("quality_low", "", "lower end of its interval"),
    Metric("quality_high", "", "upper end of its interval"),
)
NOT_APPLICABLE = (
    "not_applicable: the network cannot be so compressed, as one without attention has no tokens or heads to prune"
)
UNSUPPORTED = (
    "unsupported: published results say nothing of this setting for this network (`archgym quality` says why); "
    "--allow-extrapolation gives it a wider interval"
)


@cache
def compression_hash() -> str:
    """Identity of what settings do to networks, and of the published results: all of this package."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in (".py", ".csv"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Judge:
    """How quality is estimated.

    Attributes:
        model: network whose results are used, as `archgym quality` lists them; the workload's own name when empty.
        method: best, an effort or a method; see archgym.compression.estimate.
        function: name in archgym.compression.QUALITY.
        rows: CSV file of own results, used besides the published ones; none when empty.
        allow_extrapolation: settings without published support get a number, with a wider interval.
    """

    model: str = ""
    method: str = "best"
    function: str = "published"
    rows: str = ""
    allow_extrapolation: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Judge:
        """From values by name, as `config` writes them.

        Raises:
            InputError: an unknown name.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown("quality option", name, names)
        return cls(**values)

    def config(self) -> dict[str, Any]:
        """Plain values that `of` reads, from whatever directory."""
        return asdict(self) | {"rows": str(Path(self.rows).resolve()) if self.rows else ""}

    @property
    def own_rows(self) -> bytes:
        """Contents of the file of own results.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return Path(self.rows).read_bytes() if self.rows else b""
        except OSError as error:
            raise InputError(f"cannot read {self.rows}: {error.strerror}") from None

    def networks(self, workload: Workload) -> tuple[str, ...]:
        """Names of the networks whose results speak for a workload: one for each of its tasks.

        Raises:
            InputError: one of which nothing is published; UnknownNameError: no such model.
        """
        names = dict.fromkeys([self.model] if self.model else [_base(task.name) for task in workload.tasks])
        listed = tuple(names) or (_base(workload.name),)
        if self.function != "published":
            return listed
        from archgym.compression.quality import evidence, known_models

        known = known_models(evidence(self.rows or None).rows)
        for name in listed:
            if name not in known and self.model:
                raise unknown("model", name, known)
            if name not in known:
                raise InputError(
                    f"no quality of {name!r} is published: name the network whose results shall speak for it "
                    "(--quality-model resnet50; `archgym quality` lists them), or bring own results (--quality-rows)"
                )
        return listed

    def estimate(self, networks: tuple[str, ...], setting: Setting) -> Estimate:
        """The estimate of the network that loses most; an unsupported one comes first."""
        from archgym.compression import QUALITY

        function = QUALITY.load(self.function)
        estimates: list[Estimate] = [
            function(
                name,
                setting,
                method=self.method,
                allow_extrapolation=self.allow_extrapolation,
                rows=self.rows or None,
            )
            for name in networks
        ]
        return max(estimates, key=lambda found: math.inf if math.isnan(found.quality_loss) else found.quality_loss)


def judgement(judge: Judge, workload: Workload, setting: Setting) -> dict[str, Any]:
    """What is known of the quality of a workload under a setting, as plain values; see Evaluation.quality.

    Raises:
        InputError: something that was asked of the judge is unknown or unreadable.
    """
    try:
        found = judge.estimate(judge.networks(workload), setting)
    except InputError as error:
        if judge != Judge():
            raise
        return {"quality_loss": None, "low": None, "high": None, "network": None, "why": str(error)}
    known = not math.isnan(found.quality_loss)
    numbers = {name: getattr(found, name) if known else None for name in ("quality_loss", "low", "high")}
    return numbers | {"network": found.model, "why": found.why}


def _base(name: str) -> str:
    """`llama3-8b` of `llama3-8b:decode?batch=8`."""
    return re.split(r"[:?]", name, maxsplit=1)[0]
