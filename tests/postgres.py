"""A throw-away PostgreSQL server. Debian keeps the binaries out of PATH, and `initdb` refuses root."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg


class PostgresMissing(Exception):
    """No server binaries here."""


def _binaries() -> Path:
    for tool in ("initdb",):
        config = shutil.which("pg_config")
        if config:
            folder = Path(
                subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
            )
            if (folder / tool).exists():
                return folder
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{tool}"))
        if found:
            return found[-1].parent
    raise PostgresMissing("PostgreSQL's server binaries are missing: install the package postgresql to run these tests")


def _as_server(command: list[str]) -> list[str]:
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server on a Unix socket of its own; ends, and goes, with the block."""
    folder = Path(tempfile.mkdtemp(prefix="recado-pg-", dir="/tmp"))
    try:
        with server_in(folder, stop="immediate") as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_in(folder: Path, stop: str = "fast") -> Iterator[str]:
    """Start a server whose data and socket are in a folder, made where it is new; `stop` is how `pg_ctl` ends it.

    One that runs there already, because somebody started it, is used and left running.
    """
    binaries, data = _binaries(), folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    if not data.exists():
        subprocess.run(
            _as_server([str(binaries / "initdb"), "-D", str(data), "-U", "recado", "-A", "trust", "-E", "UTF8", "--no-sync"]),
            check=True, capture_output=True, cwd="/tmp",
        )  # fmt: skip
    options = f"-k {folder} -c listen_addresses='' -c max_connections=200 -c shared_buffers=128MB"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-t", "300"]
    server = f"postgresql+psycopg://recado@/{{name}}?host={folder}"
    if subprocess.run(_as_server([*control, "status"]), check=False, capture_output=True, cwd="/tmp").returncode == 0:
        yield server
        return
    subprocess.run(
        _as_server([*control, "-l", str(folder / "log"), "-o", options, "start"]),
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/tmp",
    )  # fmt: skip
    try:
        yield server
    finally:
        subprocess.run(_as_server([*control, "-m", stop, "stop"]), check=False, capture_output=True, cwd="/tmp")


@contextmanager
def new_database(server: str, template: str | None = None) -> Iterator[str]:
    """A database on the server, empty or a copy of another one (of that name), dropped afterwards."""
    name = "t" + secrets.token_hex(6)
    admin = server.format(name="postgres").replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    try:
        yield server.format(name=name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# What a test left in the tables goes, and sequences begin anew; who is still connected is thrown out first. Foreign keys
# do not count meanwhile.
_EMPTY = """DO $$ DECLARE each record; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  SET LOCAL session_replication_role = replica;
  FOR each IN SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
  LOOP EXECUTE format('DELETE FROM public.%I', each.relname); END LOOP;
  FOR each IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
  LOOP PERFORM setval(format('public.%I', each.sequencename)::regclass, 1, false); END LOOP;
END $$"""
_SHAPE = """SELECT relname::text, attname::text, attnum, atttypid::int, attnotnull FROM pg_attribute
  JOIN pg_class ON pg_class.oid = attrelid
  WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND relname NOT LIKE 'huey%'
UNION ALL SELECT conname::text, conrelid::regclass::text, 0, 0, true FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%huey%'
UNION ALL SELECT tgname::text, tgrelid::regclass::text, 0, 0, true FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1, 2, 3"""


class Emptied:
    """Databases like a migrated one that tests hand back: emptied, they serve the next test. To copy one for each takes
    twenty times as long. One whose tables are no longer as they were is not used again."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._spare: list[tuple[str, ExitStack]] = []
        self._shape: list[tuple[Any, ...]] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a database that nobody else uses."""
        url, made = self._spare.pop() if self._spare else self._new()
        try:
            yield url
        finally:
            if self._empty(url):
                self._spare.append((url, made))
            else:
                made.close()

    def close(self) -> None:
        """Drop them all."""
        for _, made in self._spare:
            made.close()

    def _new(self) -> tuple[str, ExitStack]:
        made = ExitStack()
        url = made.enter_context(new_database(self._server, self._template))
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            self._shape = connection.execute(_SHAPE).fetchall()
        return url, made

    def _empty(self, url: str) -> bool:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute(_EMPTY)
            return connection.execute(_SHAPE).fetchall() == self._shape
