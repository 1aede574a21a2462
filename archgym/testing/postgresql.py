"""A throw-away PostgreSQL, for tests and benchmarks of what shares one: started, stopped and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A server that listens on a Unix socket alone, with its usual hundred connections.

    Attributes:
        binaries: folder of initdb and pg_ctl.
        home: folder of its data and its socket.
    """

    binaries: Path
    home: Path

    @property
    def url(self) -> str:
        """Where it listens, as Optuna takes it."""
        return f"postgresql://archgym@/postgres?host={self.home}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses= -c fsync=off -k {self.home}"
        self._run("pg_ctl", "-D", self.home / "data", "-l", self.home / "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """Cut all connections, as a crash does."""
        self._run("pg_ctl", "-D", self.home / "data", "-m", "immediate", "stop")

    def create(self) -> None:
        """Make its data, as a user whom it does not refuse."""
        if os.getuid() == 0:
            shutil.chown(self.home, "postgres")
        self._run("initdb", "-D", self.home / "data", "-U", "archgym", "--auth=trust", "--no-sync")

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*user, str(self.binaries / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server of its own, gone with its data at the end.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (programs[-1] if programs else None)
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed: there is no initdb")
    server = Server(Path(found).parent, Path(tempfile.mkdtemp(prefix="archgym-")))  # short: a socket's path must be
    try:
        server.create()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.home, ignore_errors=True)
