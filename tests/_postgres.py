"""A real PostgreSQL for tests, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

PASSWORD = "p@ss/w:rd%20"
_ESCAPED = "p%40ss%2Fw%3Ard%2520"


def programs() -> Path | None:
    """Find the folder of initdb and pg_ctl; Debian leaves it out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: len(str(p)))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return None
    return found[-1].parent if found else Path(str(on_path)).parent


class Server:
    """A server on the loopback, its files in a folder of its own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.numbers = count()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:  # as whom it refuses to run
            names = {each.pw_name for each in pwd.getpwall()}
            nobody = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", "data", "-U", "skedema", "-A", "password", "--pwfile=password",
            "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        options = f"-c fsync=off -c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder}"
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def stop(self) -> None:
        """Stop as a server is stopped for an update: connections are cut."""
        self._run("pg_ctl", "stop", "-w", "-D", "data", "-m", "fast")

    def url(self, scheme: str = "postgresql", password: str = _ESCAPED) -> str:
        """Give the address of a new database."""
        import psycopg

        name = f"study{next(self.numbers)}"
        where = f"skedema:{{}}@127.0.0.1:{self.port}"
        with psycopg.connect(
            f"postgresql://{where.format(_ESCAPED)}/postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{scheme}://{where.format(password)}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        with open(self.folder / "said", "a+") as said:  # a pipe would be held by the server
            done = subprocess.run(
                [self.programs / program, *arguments],
                cwd=self.folder, stdout=said, stderr=said, **self.user,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self.folder / 'said').read_text()}")


@contextmanager
def postgres() -> Iterator[Server]:
    """Start a server in a temporary folder."""
    found = programs()
    if found is None:
        raise FileNotFoundError("no PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # the path of a socket is short
    try:
        server = Server(folder, found)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
