"""Published results: one row is one network, setting and method, with its own baseline."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from archgym.compression.models import LLM, Model, model_of
from archgym.compression.setting import Setting
from archgym.errors import InputError, unknown
from archgym.validation import read_table

ROUNDING, CALIBRATED, TRAINED = EFFORTS = ("rounding", "calibrated", "trained")
_SETTING = ("weight_bits", "activation_bits", "kv_bits", "pattern", "activation_sparsity", "sparsity_method")
COLUMNS = ("model", "dataset", "metric", "method", "effort", *_SETTING, "value", "baseline", "source")
_NEEDED = ("model", "metric", "method", "value", "baseline", "source")
QUALITY_CSV = Path(__file__).with_name("quality.csv")
_METRICS = ("perplexity", "word perplexity", "top-1 %", "avg accuracy %", "accuracy %", "accuracy", "F1")


@dataclass(frozen=True)
class Row:
    """One published result.

    Attributes:
        model, dataset, metric, method, source: as published; model by our name.
        effort: rounding, calibrated or trained.
        setting: what was done.
        value, baseline: of the metric, compressed and not, from one source and protocol.
    """

    model: str
    dataset: str
    metric: str
    method: str
    effort: str
    setting: Setting
    value: float
    baseline: float
    source: str

    @property
    def is_perplexity(self) -> bool:
        """Whether smaller is better."""
        return self.metric.endswith("perplexity")

    @property
    def is_converted(self) -> bool:
        """Whether the loss of a language model is known by its accuracy only."""
        return self.network.kind == LLM and not self.is_perplexity

    @property
    def loss(self) -> float:
        """ln(perplexity / baseline); ln(baseline / accuracy) of a language model; 1 - value / baseline of others."""
        if self.is_perplexity:
            return math.log(self.value / self.baseline)
        if self.network.kind == LLM:
            return math.log(self.baseline / self.value)
        return 1.0 - self.value / self.baseline

    @cached_property
    def network(self) -> Model:
        """The network."""
        return model_of(self.model, self.is_perplexity)

    @cached_property
    def paper(self) -> str:
        """What rows of one publication share: repository or arXiv number, else the source."""
        found = re.search(r"github:[\w.-]+/[\w.-]+|arXiv:[\d.]+\d", self.source)
        return found[0] if found else self.source

    @cached_property
    def stem(self) -> str:
        """First word of the method, the same in all papers that quote it."""
        return re.split(r"[ +(-]", self.method.lower())[0]


@cache
def published_rows() -> tuple[Row, ...]:
    """The rows that come with ArchGym."""
    return read_rows(QUALITY_CSV)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Rows of a CSV file.

    Columns: COLUMNS; model, metric, method, value, baseline and source are needed, `effort` is `calibrated` and the
    setting `dense` with 16 bits where nothing else is said. Leading `#` lines are comments.

    Raises:
        InputError: the file, a column or a cell cannot be used, with row (1 is the first below the names) and column.
    """
    table = read_table(path)
    if not table:
        raise InputError(f"{path} has no rows")
    names = [name for name in table[0] if name is not None]
    for name in names:
        if name not in COLUMNS:
            raise InputError(f"{path}: {unknown('column', name, COLUMNS)}")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}")
    return tuple(_row(path, number, cells) for number, cells in enumerate(table, 1))


def _row(path: Path, number: int, cells: Mapping[str, str]) -> Row:
    where = f"{path}, row {number}"
    if None in cells or None in cells.values():
        raise InputError(f"{where} has not as many cells as there are columns: {csv_line(cells)}")
    for name in _NEEDED:
        if not cells[name].strip():
            raise InputError(f"{where}, column {name}: is empty")
    if cells["metric"] not in _METRICS:
        raise InputError(f"{where}, column metric: {unknown('metric', cells['metric'], _METRICS)}")
    effort = cells.get("effort") or CALIBRATED
    if effort not in EFFORTS:
        raise InputError(f"{where}, column effort: {unknown('effort', effort, EFFORTS)}")
    try:
        setting = Setting.of({name: cells[name] for name in _SETTING if cells.get(name)})
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    value, baseline = (_positive(where, name, cells[name]) for name in ("value", "baseline"))
    text = {name: cells.get(name, "") for name in ("model", "dataset", "metric", "method", "source")}
    return Row(**text, effort=effort, setting=setting, value=value, baseline=baseline)


def _positive(where: str, name: str, text: str) -> float:
    try:
        number = float(text)
        if math.isfinite(number) and number > 0:
            return number
    except ValueError:
        pass
    raise InputError(f"{where}, column {name}: must be a positive number, not {text[:40]!r}")


def csv_line(cells: Mapping[str, str]) -> str:
    """A row as it may have been written, shortened."""
    return ",".join(str(value) for value in cells.values() if value is not None)[:60]
