"""What compressed networks gain on published machines, held against what was published.

Every row of speedups.csv is a ratio of two runs of our model: the same network with and without the setting on one
machine, or on the two machines that the paper compares. Machines are presets; nothing is fitted. GPUs are modelled by
their multipliers, their memories and a time that every kernel of a network takes beside its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from archgym.compression.network import ATTENTION, SOFTMAX, Network
from archgym.compression.setting import Setting
from archgym.envs.fpga import validation as fpga
from archgym.envs.systolic import SYSTOLIC, cost
from archgym.errors import InputError
from archgym.space import Value
from archgym.validation import Check, Row, check_row, mean_error, read_table
from archgym.workloads import Workload
from archgym.workloads.builder import RELU, SILU
from archgym.workloads.llm import Decoder, decode, prefill
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B, WEIGHT_NONE, with_accumulators

_HERE = Path(__file__).parent
_TARGET = 0.20
_SHARES = (2, 4, 12, 84, 108)  # how many arrays, or parts of one, work as a wider one


def validate(reference: Path | None = None) -> list[Check]:
    """All published gains and the mean error; `reference` is not needed, the data ship with the package."""
    rows = read_table(_HERE / "speedups.csv")
    checks = [check_row(row["claim"], row, ours(row), note=row["note"]) for row in rows]
    known = [(row["machine"], check) for row, check in zip(rows, checks, strict=True) if check.ours is not None]
    saved = [(row["workload"], _saved(row)) for row in rows if row["dense_ms"]]
    parts = {
        "Gains on the A100": [check for machine, check in known if machine.startswith("a100")],
        "Gains on the A6000": [check for machine, check in known if machine.startswith("rtx")],
        "Gains of accelerators": [check for machine, check in known if not machine.startswith(("a100", "rtx"))],
        "Time saved, steps": [check for workload, check in saved if ":decode" in workload],
        "Time saved, prompts": [check for workload, check in saved if ":decode" not in workload],
    }
    means = [replace(mean_error(part, some, _TARGET), target=None) for part, some in parts.items()]
    means.append(mean_error("Gains", [check for _, check in known], _TARGET))
    return [*checks, *(check for _, check in saved), *(replace(mean, source="the rows above") for mean in means)]


def ours(row: Row) -> float | None:
    """Our value of a row of speedups.csv; None where its conditions are not known."""
    measure = row["measure"]
    if measure == "none":
        return None
    if measure == "sat":
        return _sat()
    if measure == "spatten":
        return _spatten(row["machine"])
    if measure in ("prompt", "answer"):
        return _bitmod(row["machine"], row["baseline_machine"], measure)
    before, after = times(row)
    return before / after


def times(row: Row) -> tuple[float, float]:
    """Our time in seconds of a row's baseline and of the compressed network."""
    workload, measure = Workload.load(row["workload"] + "&bits=16"), row["measure"]
    baseline = _time(row["baseline_machine"] or row["machine"], workload, row["baseline_setting"], measure)
    return baseline, _time(row["machine"], workload, row["setting"], measure)


def _saved(row: Row) -> Check:
    """Time that compression saves: what hardware is answerable for, whatever else a run spends time on."""
    before, after = times(row)
    published = float(row["dense_ms"]) * (1 - 1 / float(row["value"]))
    return Check(f"Time saved, {row['claim']}", row["item"], published, 1e3 * (before - after), "ms", row["source"])


# -- one run


def designs_of(machine: str) -> tuple[NDArray[np.void], np.record]:
    """Designs [N] of a machine `preset?parameter=value`, the published one first, and its technology.

    The others are the same elements as fewer and wider arrays, or as wider and narrower ones: tiles that a kernel, or a
    paper's simulator, may choose instead.
    """
    name, _, query = machine.partition("?")
    preset = SYSTOLIC.preset(name)
    values: dict[str, Value] = dict(preset.values)
    values |= {key: float(value) if value.isdecimal() else value for key, value in parse_qsl(query)}
    arrays, rows, columns = (int(values[key]) for key in ("arrays", "array_rows", "array_columns"))
    shapes = [(arrays, rows, columns)]
    shapes += [(arrays // share, rows, columns * share) for share in _SHARES if arrays % share == 0]
    shapes += [(1, rows * 12, columns * arrays // 12)] if arrays % 12 == 0 else []
    shapes += [(arrays, rows // share, columns * share) for share in _SHARES if arrays == 1 and rows % share == 0]
    shapes += [(arrays, rows * share, columns // share) for share in _SHARES if arrays == 1 and columns % share == 0]
    names = ("arrays", "array_rows", "array_columns")
    designs = [SYSTOLIC.space.design(values | dict(zip(names, shape, strict=True))) for shape in shapes]
    return np.concatenate(designs).view(np.recarray), SYSTOLIC.technology(**preset.scenario)


def seconds(machine: str, table: np.recarray, alone: bool = False) -> NDArray[np.float64]:
    """Time of each operator [L] on a machine, all its occurrences together, with the best of tiles and loop orders.

    `alone`: one operator again and again, as kernels are timed, so that the start of each hides behind the one before.

    Raises:
        InputError: the machine cannot be built, or cannot run an operator.
    """
    designs, technology = designs_of(machine)
    if alone:
        technology.dispatch_s = 0.0
    best = np.full(len(table), np.inf)
    fixed = cost.budget(designs[0], technology).why
    for operators, design in product((table, transposed(table)), designs):
        budget = cost.budget(design, technology)
        layers = [cost.cost(design, operator, technology, budget) for operator in operators]
        if why := max(fixed, *(layer.why for layer in layers)):
            raise InputError(f"{machine}: {SYSTOLIC.reasons[why]}")
        best = np.minimum(best, [layer.latency_s for layer in layers])
    return np.asarray(best * table.count)


def transposed(table: np.recarray) -> np.recarray:
    """Products with weights as B^T A^T: the cost model re-reads the other operand then."""
    turned = table.copy()
    rows = (table.k > 0) & (table.weight == WEIGHT_B)
    turned.weight[rows] = WEIGHT_A
    for one, other in (("m", "n"), ("a_bytes", "b_bytes"), ("a_bits", "b_bits"), ("a_external", "b_external")):
        turned[one][rows], turned[other][rows] = table[other][rows], table[one][rows]
    return turned


@cache
def _time(machine: str, workload: Workload, setting: str, measure: str) -> float:
    network = Network(workload)
    table = network.compressed(Setting.parse(setting))
    if measure == "products":  # without the adapters that slicing adds
        own: np.recarray = table[: len(workload.operators)].view(np.recarray)
        table = own[(own.k > 0) & (own.weight != WEIGHT_NONE) & ~network.roles.head].view(np.recarray)
    return float(seconds(machine, table, alone=measure == "products").sum())


# -- papers with machines or widths of their own


@cache
def _sat() -> float | None:
    published = read_table(Path(fpga.__file__).with_name("published.csv"))
    return next(check.ours for check in fpga.sat(published) if check.item == "speed-up 2:8")


# BitMoD's networks: github.com/yc2367/BitMoD-HPCA-25, with the sizes of their released configurations.
_BITMOD_MODELS = {
    "OPT-1.3B": Decoder(24, 2048, 32, 32, 8192, 50272, activation=RELU),
    "Phi-2": Decoder(32, 2560, 32, 32, 10240, 51200, rotary=True),
    "Yi-6B": Decoder(32, 4096, 32, 4, 11008, 64000, llama=True, activation=SILU),
    "Llama-2-7B": Decoder(32, 4096, 32, 32, 11008, 32000, llama=True, activation=SILU),
    "Llama-2-13B": Decoder(40, 5120, 40, 40, 13824, 32000, llama=True, activation=SILU),
    "Llama-3-8B": Decoder(32, 4096, 32, 8, 14336, 128256, llama=True, activation=SILU),
}
_BITMOD_TOKENS, _BITMOD_STEPS = 256, 20
# Mean widths of the weights, the output head's too, that each needs for its quality: for a prompt, and for new tokens
# by model in the order above.
_BITMOD_WIDTHS = {
    "bitmod-fp16": (16.0, (16.0,) * 6),
    "bitmod": (4.0625, (3.0625,) * 6),
    "bitmod-ant": (5.5, (5.0, 5.0, 5.25, 5.0, 5.0, 4.5)),
    "bitmod-olive": (4.5, (3.875, 4.0, 4.25, 3.75, 3.75, 3.5)),
}


def _bitmod(machine: str, rival: str, measure: str) -> float:
    """Mean gain over FP16 of one machine over that of the other, as the paper has it."""
    dense = _bitmod_times("bitmod-fp16", measure)
    return float(np.mean(dense / _bitmod_times(machine, measure)) / np.mean(dense / _bitmod_times(rival, measure)))


@cache
def _bitmod_times(machine: str, measure: str) -> NDArray[np.float64]:
    """Time of a prompt, and of the new tokens after it where `measure` is `answer`, for each network.

    The array for a prompt has twice the rows and half the columns.
    """
    width, widths = _BITMOD_WIDTHS[machine]
    values = SYSTOLIC.preset(machine).values
    rows, columns = int(values["array_rows"]), int(values["array_columns"])
    wide = f"{machine}?array_rows={2 * rows}&array_columns={columns // 2}"
    found = []
    for model, own in zip(_BITMOD_MODELS.values(), widths, strict=True):
        total = seconds(wide, _at_width(prefill(model, 1, _BITMOD_TOKENS, 16), machine, width)).sum()
        if measure == "answer":
            step = seconds(machine, _at_width(decode(model, 1, _BITMOD_TOKENS, 16), machine, own)).sum()
            total += _BITMOD_STEPS * step
        found.append(total)
    return np.array(found)


def _at_width(workload: Workload, machine: str, bits: float) -> np.recarray:
    """Operators with weights of a mean width in memory; an element takes whole bits, OliVe's 4 for any such mean."""
    table = workload.operators.copy()
    weights = table.weight == WEIGHT_B
    table.b_bytes[weights] *= bits / table.b_bits[weights]
    table.b_bits[weights] = 4 if machine == "bitmod-olive" else np.floor(bits)
    return with_accumulators(table)


# SpAtten, section 5: 8 benchmarks of GPT-2, 22 of BERT; 1.9 = (8 * 3.8 + 22 * 1.21) / 30.
_GPT2 = (Decoder(12, 768, 12, 12, 3072, 50257), Decoder(24, 1024, 16, 16, 4096, 50257))
_GPT2_SETTING = Setting(kv_bits=8, activation_bits=8, token_pruning=1 - 1 / 3.8, head_pruning=1 - 1 / 1.1)
_BERT_SETTING = Setting(activation_bits=8, token_pruning=1 - 1 / 1.21, head_pruning=1 - 1 / 1.1)


def _spatten(machine: str) -> float:
    """Mean reduction of the off-chip bytes of attention from 32 bits, GPT-2 at 992 tokens and half of 32 new ones."""
    gains = [_attention_gain(machine, decode(model, 1, 992 + 16, 32), _GPT2_SETTING) for model in _GPT2]
    bert = _attention_gain(machine, Workload.load("bert-base?bits=32"), _BERT_SETTING)
    return (4 * sum(gains) + 22 * bert) / 30


def _attention_gain(machine: str, workload: Workload, setting: Setting) -> float:
    network = Network(workload)
    mixes = network.roles.mixes
    return _attention_bytes(machine, workload.operators, mixes) / _attention_bytes(
        machine, network.compressed(setting), mixes
    )


def _attention_bytes(machine: str, operators: np.recarray, mixes: NDArray[np.bool_]) -> float:
    """Off-chip bytes of attention, head after head: queries, keys and values come from memory, outputs go back."""
    table = operators.copy()
    scores = (table.kind == ATTENTION) & ~mixes
    table.a_external, table.b_external, table.out_external = scores, scores | mixes, mixes
    heads = table.batch.copy()
    table.count *= heads
    for name in ("batch", "a_bytes", "b_bytes", "out_bytes", "vector_ops"):
        table[name] /= heads
    designs, technology = designs_of(machine)
    budget = cost.budget(designs[0], technology)
    rows: Sequence[np.record] = table[scores | mixes | (table.kind == SOFTMAX)]
    return float(sum(cost.cost(designs[0], row, technology, budget).dram_bytes * row.count for row in rows))
