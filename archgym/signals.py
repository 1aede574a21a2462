"""Signals: a wish to stop that waits for the end of a batch, and a limit on the time of a cost model.

Both work in the main thread alone, where Python handles signals, and leave the handlers as they were.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from archgym.errors import InputError

LONGEST_S = 1e8  # beyond three years a number is a typing error
AGAIN_S = 1.0  # a time limit raises anew as often, for code that swallowed it, or that waits for others as it ends
_OWN: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}  # Python's own handlers


class TimeUp(BaseException):
    """The time is over; no Exception, so that a cost model that handles its own errors does not handle this one."""


@contextlib.contextmanager
def deferred_stop() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM wait for the end of a batch, when the agent can be saved; a second one acts at once.

    Only where Python's own handler is in place: a program that handles a signal itself keeps doing so.
    """
    event = threading.Event()
    ours = {}
    if threading.current_thread() is threading.main_thread():
        ours = {number: own for number, own in _OWN.items() if signal.getsignal(number) is own}

    def defer(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, _OWN[signal.Signals(number)])
        event.set()

    for number in ours:
        signal.signal(number, defer)
    try:
        yield event
    finally:
        for number, own in ours.items():
            signal.signal(number, own)


def checked_limit(seconds: float | None) -> float | None:
    """A limit that `time_limit` can keep in this thread; None for none.

    Raises:
        InputError: no positive number of seconds, or no main thread of a system with timers.
    """
    if seconds is None:
        return None
    if not (isinstance(seconds, int | float) and 0 < seconds <= LONGEST_S):
        raise InputError(f"the time limit of the cost model must be seconds, above 0 to {LONGEST_S:g}, not {seconds!r}")
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        raise InputError("a time limit of the cost model works in the main thread of a POSIX system alone")
    return float(seconds)


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeUp in a block that takes longer; what is compiled, once it returns to Python."""
    if seconds is None:
        yield
        return

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
