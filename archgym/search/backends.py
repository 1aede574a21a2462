"""Optuna storages, opened: many trials under one lock and one flush, faults in one line, bounded waits."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock

from archgym.errors import ArchGymError, InputError, missing_extra
from archgym.search.places import Place, hidden

ANSWER_S = 5  # for a server to answer, or a locked database file to be free
PATIENCE_S = 1800  # for a storage that others keep busy: a hundred searches that end together take turns
PAUSES_S = 0.1, 10  # between attempts, the first and the longest: each costs the server something, too
SAYS_S = 10  # of waiting before a user is told
OWN_GRACE_S, SHARED_GRACE_S = 3, 30  # after which the lock of a dead writer is taken over
_BUSY = re.compile(  # also by making the tables that this process was about to make
    r"is locked|too many clients|connection slots|starting up|deadlock|already exists|duplicate key|UNIQUE constraint"
)
Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """An open storage.

    Attributes:
        batch: makes what is written inside it one transaction (journal), and gives the connection back (database).
    """

    storage: BaseStorage
    batch: Callable[[], contextlib.AbstractContextManager[object]]


def opened(place: Place) -> Backend:
    """Open the storage of a place, which is created where it does not exist.

    Raises:
        InputError: a wrong URL, or a storage that cannot be reached or written.
        MissingExtraError: the driver of the database is not installed.
    """
    try:
        return _database(place) if place.is_url else _journal(place)
    except ArchGymError:
        raise
    except ImportError as error:
        missing = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        if missing.name == "psycopg":
            raise missing_extra("a PostgreSQL storage", "postgresql", missing) from error
        raise InputError(f"the storage {place} needs a driver that is not installed: {missing}") from error
    except Exception as error:
        raise InputError(f"cannot open the storage {place}: {reason(error)}") from error


def _journal(place: Place) -> Backend:
    journal = BatchedJournal(Path(place.target), OWN_GRACE_S if place.own else SHARED_GRACE_S)
    return Backend(JournalStorage(journal), lambda: journal)


def _database(place: Place) -> Backend:
    from sqlalchemy.pool import NullPool  # a quarter of a second, which searches without a database are spared

    sqlite = place.target.startswith("sqlite")
    waits = {"timeout": ANSWER_S} if sqlite else {"connect_timeout": ANSWER_S} if "psycopg" in place.target else {}
    # Without a pool no connection outlives its transaction, nor an attempt that failed since others were making the
    # same tables: a server has fewer connections than a cluster has searches.
    storage = patiently(lambda: RDBStorage(place.target, {"connect_args": waits, "poolclass": NullPool}))

    @contextlib.contextmanager
    def batch() -> Generator[None]:
        """One connection for all that is written inside: Optuna makes a transaction of every trial."""
        sessions = storage.scoped_session
        storage.remove_session()
        with storage.engine.connect() as connection:
            sessions.configure(bind=connection)
            try:
                yield
            finally:
                storage.remove_session()
                sessions.configure(bind=storage.engine)

    return Backend(storage, batch)


def patiently(action: Callable[[], Result]) -> Result:
    """Try again while others keep a storage busy, for some time and ever more rarely."""
    start, pause, said = time.monotonic(), PAUSES_S[0], False
    while True:
        waited = time.monotonic() - start
        try:
            return action()
        except Exception as error:
            if not is_busy(error) or waited > PATIENCE_S:  # one more try after an attempt that took long
                raise
            if waited > SAYS_S and not said:
                log.warning("others keep the storage busy: %s; waiting for it", reason(error))
                said = True
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, PAUSES_S[1])


def is_busy(error: BaseException | None) -> bool:
    """Whether others keep a storage busy: the same may go well a moment later."""
    return error is not None and _BUSY.search(reason(error)) is not None


def reason(error: BaseException) -> str:
    """One line on why a storage failed: what the database or the system said, without a password."""
    while error.__cause__ is not None and not isinstance(error, OSError):
        error = error.__cause__
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return hidden(lines[0]) if lines else type(error).__name__


class BatchedJournal(BaseJournalBackend):
    """A journal file that takes many records under one lock and one flush to disk.

    Inside `with`, the lock is held, so that no other writer's records come between and the numbers of the records are
    those they will have in the file; leaving it writes them all. Where that fails, or an exception passes, none of them
    is in the file, and the storage on top, which has counted them, must be opened anew.

    Half a record at the end of the file, left by a writer that was killed, is cut off: Optuna would append to it.
    """

    def __init__(self, path: Path, grace_s: int) -> None:
        self._path, self._file = path, JournalFileBackend(str(path))
        self._lock = JournalFileSymlinkLock(str(path), grace_s)
        self._bytes = self._count = 0  # of the file, as far as this writer knows it
        self._waiting: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
        """Records of the file from a number on, then those that wait."""
        if self._waiting is None or log_number_from < self._count:
            yield from self._file.read_logs(log_number_from)
        if self._waiting is not None:
            yield from self._waiting[max(log_number_from - self._count, 0) :]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Keep records until the batch ends; outside one, write them."""
        if self._waiting is None:
            with self:
                self._waiting = list(logs)
        else:
            self._waiting += logs

    def __enter__(self) -> BatchedJournal:
        self._lock.acquire()
        try:
            self._catch_up()
        except BaseException:
            self._lock.release()
            raise
        self._waiting = []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        waiting, self._waiting = self._waiting, None
        try:
            if kind is None and waiting:
                self._append("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in waiting).encode())
        finally:
            self._lock.release()

    def _catch_up(self) -> None:
        """Count what others have written, and cut off half a record."""
        with self._path.open("r+b") as file:
            file.seek(self._bytes)
            new = file.read()
            whole = new.rfind(b"\n") + 1
            if whole < len(new):
                file.truncate(self._bytes + whole)
        self._bytes, self._count = self._bytes + whole, self._count + new.count(b"\n")

    def _append(self, data: bytes) -> None:
        """All of the data, or nothing of it."""
        try:
            with self._path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                os.truncate(self._path, self._bytes)
            raise
        self._bytes, self._count = self._bytes + len(data), self._count + data.count(b"\n")
