"""Jobs in processes of their own: one that dies takes its own job with it, and no other."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from archgym.errors import RunError


class Workers:
    """Threads, each of which hands its jobs to a process of its own. Use as a context manager.

    A pool of processes would be simpler, but breaks as a whole when the system kills one of them, and does not say
    which job that was.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._own = threading.local()
        self._pools: list[ProcessPoolExecutor] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a function of a module called; what holds its result raises RunError where its process was killed."""
        return self._threads.submit(self._call, function, *arguments)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if not hasattr(self._own, "pool"):
            context = multiprocessing.get_context("spawn")  # Numba's and Torch's threads do not survive a fork
            self._own.pool = ProcessPoolExecutor(1, context, initializer=_end_with_parent)
            self._pools.append(self._own.pool)
        try:
            return self._own.pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            del self._own.pool
            raise RunError("its process was killed, perhaps for lack of memory") from None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for jobs that have begun; others are not begun any more."""
        self._threads.shutdown(cancel_futures=True)
        for pool in self._pools:
            pool.shutdown()


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, which a killed one cannot see to."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
