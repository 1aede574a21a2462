"""Matrix times vectors in DRAM: time, row activations and column commands, in closed form with ceilings.

The matrix [n outputs, k] is spread over the PUs of the channels in use; each PU keeps whole vectors of k weights
("outputs") one after the other in its banks. Input vectors stand in the global buffer of each channel, all PUs of a
channel obey the same command (Newton, MICRO 2020; AiM, ISSCC 2022). All functions are pure, plain or compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.pim.devices import ACCESS_BYTES
from archgym.envs.sparsity import lane_share, union_density


class Gemv(NamedTuple):
    """Work of one PU: seconds, rows opened, columns read; bytes moved between host and one channel.

    `used` is the share of the columns of B that are read: below 1 where those of zero inputs are skipped.
    """

    seconds: float
    rows: float
    columns: float
    io_bytes: float
    used: float


@register_jitable
def row_s(columns, interval, budget):
    """Time a row occupies its PU: T_row = tRCD + (m-1) tCCD + tRTP, at least tRAS, + tRP, + grouped activation.

    A PU fed by several banks opens the next bank's row while it reads this one (AttAcc's bank-group level).
    """
    cycle = max(budget.row_open_s + (columns - 1.0) * interval + budget.row_close_s, budget.row_active_s)
    return max(columns * interval, (cycle + budget.precharge_s + budget.activate_s) / budget.interleave)


@register_jitable
def vectors_s(outs, columns, grows, interval, budget):
    """Time and activations of `outs` vectors of `columns` columns each, of the same PU.

    Vectors lie back to back (AttAcc); or long ones begin a row of their own and short ones share it whole (CENT); or
    each begins a row as it will grow with the context (values in CENT, NeuPIMs). Columns per activation follow.
    """
    n = budget.row_columns
    if budget.packed > 0:
        total = outs * columns
        full = np.floor(total / n)
        rest = total - full * n
        seconds = full * row_s(n, interval, budget)
        if rest > 0:
            seconds += row_s(rest, interval, budget)
            full += 1.0
        return seconds, full
    if columns >= n:
        full = np.floor(columns / n)
        rest = columns - full * n
        seconds = full * row_s(n, interval, budget)
        if rest > 0:
            seconds += row_s(rest, interval, budget)
            full += 1.0
        return outs * seconds, outs * full
    together = 1.0 if grows else np.floor(n / columns)
    full = np.floor(outs / together)
    rest = outs - full * together
    seconds = full * row_s(together * columns, interval, budget)
    if rest > 0:
        seconds += row_s(rest * columns, interval, budget)
        full += 1.0
    return seconds, full


@register_jitable
def reuse(m, outs, length, a_bits, b_bits, slot, budget):
    """Vectors served by one column read, and the interval of column commands then.

    A column of b_bits weights takes 256/b_bits * slot turns of 16-bit lanes per vector; lanes left over at the memory's
    fastest column rate serve further vectors (grouped queries, batch), if the buffer holds a row's inputs of each twice
    (a row of weights as wide as they are) and the registers hold their sums.
    """
    slots = ACCESS_BYTES * 8.0 / b_bits * slot
    inputs = min(budget.row_columns * ACCESS_BYTES * 8.0 / max(a_bits, b_bits), length) * a_bits / 8.0
    room = np.floor(budget.buffer_bytes / (2.0 * inputs))
    sums = np.floor(budget.registers / outs) if outs <= budget.registers else budget.registers
    vectors = np.floor(budget.fastest_ccd_s * budget.lane_rate / slots * 1.000001)
    vectors = max(min(min(vectors, min(room, sums)), m), 1.0)
    return vectors, max(budget.ccd_s, vectors * slots / budget.lane_rate)


@register_jitable
def gemv(m, k, n, a_bits, b_bits, out_bits, slot, channels, grows, budget):
    """Product of m vectors of length k and a matrix [k, n] in `channels` channels; `grows`: k is the context.

    `b_bits` are stored bits of a position of the matrix, `slot` its turns of a 16-bit lane (see formats.py).
    """
    pus = max(np.floor(channels * budget.pus / budget.adder), 1.0)
    if grows and budget.packed > 0:
        # Values stay as they come, token by token: lanes hold outputs, PUs share the tokens (AttAcc's MAC mode).
        outs = np.ceil(n * b_bits / (budget.adder * ACCESS_BYTES * 8.0))
        columns = np.ceil(k / pus)
        vectors, interval = reuse(m, outs, columns, a_bits, b_bits, slot, budget)
        if b_bits != a_bits:
            turns = vectors * n * slot / (budget.adder * outs)
            interval = max(budget.ccd_s, min(interval, turns / budget.lane_rate))
        seconds, rows = vectors_s(outs, columns, grows, interval, budget)
        part = Pass(seconds, rows, columns, 1.0)
        hidden, results = True, n * pus / channels
    else:
        outs = np.ceil(n / pus)
        split = max(np.floor(pus / n), 1.0) * budget.adder  # PUs that share the k of one output
        length = np.ceil(k / split)
        vectors, interval = reuse(m, outs, length, a_bits, b_bits, slot, budget)
        chunk, hidden = chunk_of(length, a_bits, b_bits, vectors, budget)
        part = chunks_s(outs, length, chunk, vectors, a_bits, b_bits, slot, grows, interval, budget)
        results = outs * budget.pus / budget.adder

    passes = np.ceil(m / vectors)
    each = m / passes  # vectors of a pass, on average
    vector_bytes = each * k * a_bits / 8.0
    result_bytes = part.moves * results * each * out_bits / 8.0
    seconds = with_moves_s(part.seconds, hidden, vector_bytes, result_bytes, budget)
    if not hidden and b_bits != a_bits:
        # A row of narrow weights asks for more inputs than fit twice: smaller chunks, several of them in a row.
        chunk = max(np.floor(budget.buffer_bytes * 4.0 / (a_bits * vectors)), 1.0)
        other = chunks_s(outs, length, chunk, vectors, a_bits, b_bits, slot, grows, interval, budget)
        other_bytes = other.moves * results * each * out_bits / 8.0
        other_s = with_moves_s(other.seconds, True, vector_bytes, other_bytes, budget)
        if other_s < seconds:
            part, seconds, result_bytes = other, other_s, other_bytes
    return Gemv(
        seconds=passes * seconds / budget.busy,
        rows=passes * part.rows,
        columns=passes * outs * part.columns,
        io_bytes=passes * (vector_bytes + result_bytes),
        used=1.0,
    )


@register_jitable
def with_moves_s(seconds, hidden, vector_bytes, result_bytes, budget):
    """Time of a pass with its loading of inputs, `hidden` behind computing or not, and reading of sums."""
    load_s, read_s = vector_bytes * budget.io_s_per_byte, result_bytes * budget.io_s_per_byte
    seconds = max(seconds, load_s) if hidden else seconds + load_s
    return max(seconds, read_s) if budget.registers >= 2 else seconds + read_s


class Pass(NamedTuple):
    """One pass over a matrix: seconds, rows opened, columns of each output, moves of the sums."""

    seconds: float
    rows: float
    columns: float
    moves: float


@register_jitable
def chunks_s(outs, length, chunk, vectors, a_bits, b_bits, slot, grows, interval, budget):
    """Pass over `outs` vectors of `length` weights, `chunk` inputs at a time.

    Columns of weights that are not as wide as inputs, with indices and scales, rarely end where a vector does: lanes
    need only the turns of what is there.
    """
    chunks = np.floor(length / chunk)
    rest = length - chunks * chunk
    columns = np.ceil(chunk * b_bits / (ACCESS_BYTES * 8.0))
    if b_bits != a_bits:
        interval = max(budget.ccd_s, min(interval, vectors * chunk * slot / columns / budget.lane_rate))
    seconds, rows = vectors_s(outs, columns, grows, interval, budget)
    seconds, rows, columns = chunks * seconds, chunks * rows, chunks * columns
    if rest > 0:
        last = np.ceil(rest * b_bits / (ACCESS_BYTES * 8.0))
        more_s, more_rows = vectors_s(outs, last, grows, interval, budget)
        seconds, rows, columns, chunks = seconds + more_s, rows + more_rows, columns + last, chunks + 1.0
    # Sums leave once where the registers hold them all, else after every chunk, and come back before the next.
    moves = 1.0 if outs * vectors <= budget.registers else 2.0 * chunks - 1.0
    return Pass(seconds, rows, columns, moves)


@register_jitable
def gemv_by_inputs(m, k, n, a_bits, b_bits, out_bits, slot, density, channels, budget):
    """`gemv` of weights that lie input by input, so that the columns of zero inputs are skipped.

    Lanes hold outputs: a column has weights of one input, and each result register a sum per lane. PUs with outputs of
    their own skip together; those that share the outputs and divide k have other inputs and wait for the fullest.
    Rows are opened as before: one without any input left is too rare to count. The layout needs no zeros (density 1).
    """
    units = max(np.floor(channels * budget.pus / budget.adder), 1.0)
    blocks = np.ceil(n * b_bits / (budget.adder * ACCESS_BYTES * 8.0))
    outs, split = np.ceil(blocks / units), max(np.floor(units / blocks), 1.0)
    length = np.ceil(k / split)
    vectors, interval = reuse(m, outs, length, a_bits, b_bits, slot, budget)
    used = lane_share(union_density(density, vectors), split, length)
    seconds, rows = vectors_s(outs, length, False, interval * used, budget)
    passes = np.ceil(m / vectors)
    each = m / passes
    # Inputs come again for each set of sums that the registers hold.
    vector_bytes = np.ceil(outs * vectors / max(budget.registers, 1.0)) * each * k * a_bits / 8.0
    result_bytes = n * split / channels * each * out_bits / 8.0
    seconds = with_moves_s(seconds, True, vector_bytes, result_bytes, budget)
    return Gemv(
        seconds=passes * seconds / budget.busy,
        rows=passes * rows,
        columns=passes * outs * length * used,
        io_bytes=passes * (vector_bytes + result_bytes),
        used=used,
    )


@register_jitable
def chunk_of(length, a_bits, b_bits, vectors, budget):
    """Inputs loaded at once, and whether loading hides behind computing.

    Double-buffered where half the buffer holds a row's worth of inputs, else loaded in between; whole rows if any.
    """
    row = budget.row_columns * ACCESS_BYTES * 8.0 / b_bits
    room = budget.buffer_bytes * 8.0 / (a_bits * vectors)
    hidden = room >= 2.0 * min(row, length)
    if hidden:
        room /= 2.0
    if room > row:
        room = np.floor(room / row) * row
    return min(length, max(np.floor(room), 1.0)), hidden


@register_jitable
def imbalance(packing, spread, requests, channels):
    """Load of the fullest channel over the mean, for requests of uneven length.

    The largest of C sums of n lengths with a relative deviation `spread` (extreme value of a normal distribution):
    round-robin 1 + spread sqrt(2 ln C / n). Greedy packing, longest first, leaves what the last and shortest requests
    cannot even out, 1/n of that: simulated in the docs.
    """
    if spread == 0 or requests < 2 or channels < 2:
        return 1.0
    each = max(requests / channels, 1.0)
    worst = spread * np.sqrt(2.0 * np.log(min(channels, requests)) / each)
    return 1.0 + (worst if packing == 0 else worst / each)
