"""The discrete-event run of a scenario and its scores, as in XRBench (arXiv 2211.08675) and its v0.1 artifact.

Frame i of a network arrives at i * interval, interval = int(1000 / rate) ms, and should be done by (i + 1) * interval.
A network that depends on another runs on those of its frames that a draw selects, once the other one is done with the
frame. The runtime looks for arrivals at the ticks of the fastest network and whenever a sub-accelerator becomes free. A
waiting frame past its deadline is dropped; a started one is finished, late or not, on one sub-accelerator. The run ends
with the last arrival: what is then under way is not counted.

Pure and deterministic; runs compiled, and as plain Python where a log of the frames is wanted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.xr.budget import EDF, GREEDY
from archgym.envs.xr.devices import ENERGY_BUDGET_MJ, SHARPNESS_PER_MS

UNSEEN, WAITING, RUNNING, DONE, GONE = range(5)  # states of a frame; GONE: dropped, or never triggered
# Columns of the log: one row per counted frame; sub-accelerator -1 and start = end for a dropped one.
TASK, FRAME, ACCELERATOR, ARRIVAL, START, END, DEADLINE = range(7)
LOG_FIELDS = 7


class Run(NamedTuple):
    """Scores (0 to 1), counts of frames and times in ms; scores are means over the networks with counted frames."""

    score: float
    realtime: float
    energy: float
    qoe: float
    frames: float
    drops: float
    misses: float
    response_ms: float
    end_ms: float
    logged: int


@register_jitable
def draw(seed, task, frame):
    """A number in [0, 1) that depends on nothing else: 32-bit integer hash (two multiply-xorshift rounds)."""
    x = (int(seed) * 73856093 + task * 19349663 + frame * 83492791 + 1) & 0xFFFFFFFF
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return (x ^ (x >> 16)) / 4294967296.0


@register_jitable
def realtime_score(late_ms):
    """1 / (1 + exp(k * lateness)), k = 15 / ms."""
    return 1.0 / (1.0 + np.exp(min(SHARPNESS_PER_MS * late_ms, 700.0)))


@register_jitable
def energy_score(energy_mj):
    """Share of the energy budget of 1500 mJ that is left; not below 0."""
    return max(ENERGY_BUDGET_MJ - energy_mj, 0.0) / ENERGY_BUDGET_MJ


@register_jitable
def source_frame(task, frame, tasks, interval):
    """The frame of the network it depends on that frame `frame` of `task` waits for; the same one at equal rates."""
    source = tasks[task].after
    if interval[source] <= 0.0:
        return 0
    return int(frame * interval[task] / interval[source])


@register_jitable
def choose(state, head, arrived, deadline, interval, passes, tasks, scheduler):
    """The task whose oldest waiting frame is dispatched next, or -1.

    greedy: round after round in the order of the tasks; edf: earliest deadline; priority: highest rate.
    """
    best, best_key = -1, np.inf
    count = head.shape[0]
    for i in range(count):
        frame = head[i]
        if frame >= arrived[i] or state[i, frame] != WAITING:
            continue
        source = tasks[i].after
        if source >= 0:
            needed = min(source_frame(i, frame, tasks, interval), state.shape[1] - 1)
            if state[source, needed] != DONE:
                continue
        if scheduler == GREEDY:
            key = passes[i] * count + i
        elif scheduler == EDF:
            key = min(deadline[i] + interval[i] * frame, 1e15)
        else:
            key = interval[i]
        if key < best_key:
            best, best_key = i, key
    return best


@register_jitable
def fastest_idle(milliseconds, task, busy):
    """The idle sub-accelerator that runs a task fastest, the first of equals, or -1."""
    best = -1
    for j in range(busy.shape[0]):
        if busy[j] < 0 and (best < 0 or milliseconds[task, j] < milliseconds[task, best]):
            best = j
    return best


@register_jitable
def write(log, rows, task, frame, accelerator, arrival, start, end, deadline):
    """Append a row to the log while it has room; returns the number of rows asked for so far."""
    if rows < log.shape[0]:
        log[rows, TASK], log[rows, FRAME], log[rows, ACCELERATOR] = task, frame, accelerator
        log[rows, ARRIVAL], log[rows, START], log[rows, END], log[rows, DEADLINE] = arrival, start, end, deadline
    return rows + 1


@register_jitable
def simulate(milliseconds, millijoules, tasks, scheduler, duration_ms, seed, log):
    """Run a scenario.

    Args:
        milliseconds, millijoules: a frame of each task on each sub-accelerator [T, A].
        tasks: [T] of TASK_DTYPE; a task without a rate is one frame without a deadline.
        scheduler: code of the scheduler parameter.
        duration_ms: frames that arrive within this time are run.
        seed: of the draws.
        log: [rows, LOG_FIELDS], filled with the counted frames in the order in which they end; may have no rows.

    Returns:
        A Run, and the number of finished frames [T, A].
    """
    count, accelerators = milliseconds.shape
    interval, deadline = np.zeros(count), np.full(count, np.inf)
    total = np.ones(count, np.int64)
    tick = np.inf
    for i in range(count):
        if tasks[i].rate_hz > 0:
            interval[i] = deadline[i] = np.floor(1000.0 / tasks[i].rate_hz)
            total[i] = int(duration_ms / interval[i])
            tick = min(tick, interval[i])
    state = np.zeros((count, max(total.max(), 1)), np.int64)
    arrived, head, passes = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    busy, running = np.full(accelerators, -1), np.zeros(accelerators, np.int64)
    start, end = np.zeros(accelerators), np.zeros(accelerators)
    finished, sums = np.zeros((count, accelerators)), np.zeros((count, 5))  # done, dropped, realtime, energy, both
    misses, response, rows, now = 0.0, 0.0, 0, 0.0
    while True:
        for i in range(count):  # arrivals
            while arrived[i] < total[i] and interval[i] * arrived[i] <= now:
                triggered = tasks[i].after < 0 or draw(seed, i, arrived[i]) < tasks[i].probability
                state[i, arrived[i]] = WAITING if triggered else GONE
                arrived[i] += 1
        for j in range(accelerators):  # completions
            if busy[j] >= 0 and end[j] <= now + 1e-9:
                i, frame = busy[j], running[j]
                state[i, frame], busy[j] = DONE, -1
                due = deadline[i] + interval[i] * frame
                realtime, energy = realtime_score(end[j] - due), energy_score(millijoules[i, j])
                finished[i, j] += 1
                sums[i, 0] += 1
                sums[i, 2] += realtime
                sums[i, 3] += energy
                sums[i, 4] += realtime * energy
                misses += end[j] > due
                response += end[j] - interval[i] * frame
                rows = write(log, rows, i, frame, j, interval[i] * frame, start[j], end[j], due)
        for i in range(count):  # drops
            while head[i] < arrived[i]:
                frame = head[i]
                due = deadline[i] + interval[i] * frame
                if state[i, frame] == WAITING and due < now:
                    state[i, frame] = GONE
                    sums[i, 1] += 1
                    rows = write(log, rows, i, frame, -1, interval[i] * frame, now, now, due)
                if state[i, frame] == WAITING:
                    break
                head[i] += 1
        passes[:] = 0
        task = choose(state, head, arrived, deadline, interval, passes, tasks, scheduler)
        while task >= 0:  # dispatch
            j = fastest_idle(milliseconds, task, busy)
            if j < 0:
                break
            busy[j], running[j], start[j] = task, head[task], now
            end[j] = now + milliseconds[task, j]
            state[task, head[task]] = RUNNING
            head[task] += 1
            passes[task] += 1
            while head[task] < arrived[task] and state[task, head[task]] == GONE:
                head[task] += 1
            task = choose(state, head, arrived, deadline, interval, passes, tasks, scheduler)
        later = (np.floor(now / tick + 1e-9) + 1.0) * tick if tick < np.inf else np.inf
        active = False
        for j in range(accelerators):
            if busy[j] >= 0:
                active = True
                later = min(later, end[j])
        if (arrived == total).all() and (tick < np.inf or not active):
            break
        now = later

    scores, counted = np.zeros(4), 0.0
    for i in range(count):
        done, dropped = sums[i, 0], sums[i, 1]
        if done + dropped == 0 and (state[i] == RUNNING).any():
            counted += 1  # it had frames and finished none: a score of 0
        elif done + dropped > 0:
            counted += 1
            quality = 1.0 - dropped / (done + dropped)
            scores[0] += sums[i, 4] / (done + dropped) * quality
            scores[1] += sums[i, 2] / max(done, 1.0)
            scores[2] += sums[i, 3] / max(done, 1.0)
            scores[3] += quality
    scores /= max(counted, 1.0)
    ended = sums[:, 0].sum()
    drops = sums[:, 1].sum()
    last = now if tick == np.inf else float(duration_ms)
    mean_response = response / max(ended, 1.0)
    run = Run(scores[0], scores[1], scores[2], scores[3], ended + drops, drops, misses, mean_response, last, rows)
    return run, finished
