"""The studies of many runs on optuna-dashboard: read from their journals, which stay untouched.

What the page shows lives in memory and is kept up with the journals while they grow. A database is shown as it is.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from archgym.agents.tpe import quiet
from archgym.errors import InputError, RunError, missing_extra
from archgym.search.backends import opened, reason
from archgym.search.files import read_json
from archgym.search.places import place_of
from archgym.search.run import CONFIG

log = logging.getLogger(__name__)

EVERY_S = 2.0  # between two looks at the journals
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def serve(where: str, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve the dashboard until Ctrl-C.

    Args:
        where: a run directory, a directory of runs at any depth, a journal, or a database URL.
        host, port: address to listen on; port 0 for any free one.
        on_ready: called with the address once the page can be opened.

    Raises:
        RunError: nothing to show there. InputError: the address cannot be used, or the database not opened.
        MissingExtraError: optuna-dashboard is not installed.
    """
    storage = _storage(where)
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise missing_extra("the dashboard", "dashboard", error) from error
    try:
        server = make_server(host, port, wsgi(storage), _Server, _Silent)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    with server:
        on_ready(f"http://{host}:{server.server_port}/")
        server.serve_forever()


def _storage(where: str) -> BaseStorage:
    """What the dashboard shows."""
    if "://" in where:
        place = place_of(where, Path())
        if place is None or not place.is_url:
            raise InputError(f"{where} is no database URL")
        file = re.match(r"sqlite[^:]*:///(.+)", place.target)
        if file and not Path(file[1]).is_file():  # SQLite would make an empty one
            raise InputError(f"there is no database {file[1]}")
        return opened(place).storage
    gathered = Gathered(Path(where))
    threading.Thread(target=gathered.keep_up, name="archgym-dashboard", daemon=True).start()
    return gathered.storage


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """No line for every request."""


class Constrained(InMemoryStorage):
    """A storage whose best trial meets the constraints, where there is one: Optuna's own do not look at them."""

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """The best of the complete trials that meet all constraints, else of all."""
        complete = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        valid = [trial for trial in complete if all(value <= 0 for value in trial.constraints.values())]
        if not valid:
            return super().get_best_trial(study_id)
        sign = 1 if self.get_study_directions(study_id) == [StudyDirection.MINIMIZE] else -1
        return min(valid, key=lambda trial: sign * (trial.value or 0.0))


@dataclass
class _Journal:
    """A journal, how long it was at the last look, and what was taken from it: trial numbers by study."""

    storage: JournalStorage
    size: int = -1
    copies: dict[str, Study] = field(default_factory=dict)
    taken: dict[str, set[int]] = field(default_factory=dict)


class Gathered:
    """The studies in the journals below a path, copied into one storage.

    Raises:
        RunError: there is no journal there, or what is there is none.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.storage = root, Constrained()
        self._journals: dict[Path, _Journal] = {}
        self._unread: set[Path] = set()
        if not self._paths():
            raise RunError(_why_none(root))
        if root.is_file():
            self._opened(root)

    def keep_up(self) -> None:
        """Look at the journals for ever."""
        pause = threading.Event()
        while True:
            self.refresh()
            pause.wait(EVERY_S)

    def refresh(self) -> None:
        """Take over what is new; a journal that cannot be read is named once and left out."""
        for path in self._paths():
            try:
                size = path.stat().st_size
                journal = self._opened(path)
                if size != journal.size:
                    self._take(path, journal)
                    journal.size = size
            except Exception as error:
                if path not in self._unread:
                    log.warning("%s is not shown: %s", path, reason(error))
                self._unread.add(path)

    def _paths(self) -> list[Path]:
        return [self.root] if self.root.is_file() else sorted(self.root.rglob("*.journal"))

    def _opened(self, path: Path) -> _Journal:
        if path not in self._journals:
            try:
                self._journals[path] = _Journal(JournalStorage(JournalFileBackend(str(path))))
            except Exception as error:
                raise RunError(f"{path} is no journal of Optuna: {reason(error)}") from error
        return self._journals[path]

    def _take(self, path: Path, journal: _Journal) -> None:
        for frozen in journal.storage.get_all_studies():
            name = frozen.study_name
            study = optuna.load_study(study_name=name, storage=journal.storage)
            if name not in journal.copies:
                journal.copies[name] = self._copy(path, study)
            copy, taken = journal.copies[name], journal.taken.setdefault(name, set())
            identifier = self.storage.get_study_id_from_name(copy.study_name)
            for key, value in frozen.system_attrs.items():  # names of the objectives, notes
                self.storage.set_study_system_attr(identifier, key, value)
            for key, value in frozen.user_attrs.items():
                copy.set_user_attr(key, value)
            new = [trial for trial in study.get_trials(deepcopy=False, states=_FINISHED) if trial.number not in taken]
            copy.add_trials(new)
            taken.update(trial.number for trial in new)

    def _copy(self, path: Path, study: Study) -> Study:
        """An empty study of the same name, with the directory in front where another journal has that name, too."""
        name = study.study_name
        if name in optuna.get_all_study_names(self.storage):
            name = f"{path.parent.relative_to(self.root)}/{name}"
        with quiet():
            return optuna.create_study(storage=self.storage, study_name=name, directions=study.directions)


def _why_none(root: Path) -> str:
    """Why there is no journal at a path."""
    if not root.exists():
        return f"{root} does not exist"
    for config in sorted(root.rglob(CONFIG)):
        storage = str(read_json(config).get("storage", "none"))
        if "://" in storage:
            return f"the runs in {root} are mirrored to a database: archgym dashboard {storage}"
        make = f"archgym mirror {config.parent} --storage journal"
        return f"no run in {root} is mirrored to a journal; this makes one: {make}"
    return f"there is no run in {root}"
