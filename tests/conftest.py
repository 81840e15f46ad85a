"""What holds for every test: no network, no settings of the developer, and honest omissions.

A test marked ``postgres``, ``cluster``, ``java`` or ``chromium`` runs where that thing is.
Elsewhere it is left out, and the run says so at its end. With CI=true or HOMEWARD_REQUIRE_ALL=1
nothing may be left out: a marked test that is skipped, for whatever reason, fails.
"""

import os
import secrets
import shutil
import socket
import sys
from collections import Counter
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}
LEFT_OUT = "left out"
TRUE = {"1", "true"}

# ---- settings: the same on every machine ---------------------------------------------------------

if os.environ.pop("HOMEWARD_REQUIRE_ALL", "").lower() in TRUE:
    os.environ["CI"] = "true"
REQUIRE_ALL = os.environ.get("CI", "").lower() in TRUE

# A developer's own database or tracking server must not be written to by a test.
for name in [name for name in os.environ if name.startswith("HOMEWARD_")]:
    if not name.startswith("HOMEWARD_TEST_"):
        del os.environ[name]

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MPLBACKEND": "Agg"}
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores already

# Deadlines measure the machine, not the code. CI repeats exactly; other runs keep searching.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if REQUIRE_ALL else "local")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let ``HOMEWARD_TEST_EXAMPLES`` look further: so many examples of each property, or more."""
    said = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
    least = int(os.environ.get("HOMEWARD_TEST_EXAMPLES", "0"))
    if said is not None and said.max_examples < least:
        item.obj._hypothesis_internal_use_settings = hypothesis.settings(said, max_examples=least)


# ---- what a test may need, and whether it is here ------------------------------------------------


def postgres_address() -> tuple[str, int]:
    """Return host and port of the PostgreSQL server that tests may use."""
    url = urlsplit(os.environ.get("HOMEWARD_TEST_POSTGRES_URL", "postgresql://127.0.0.1:5432"))
    return url.hostname or "127.0.0.1", url.port or 5432


def answers(address: tuple[str, int]) -> bool:
    """Say whether anything listens at `address`."""
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def postgres_programs() -> Path | None:
    """Return where initdb and pg_ctl are; Debian keeps them off PATH."""
    debian = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which("initdb", path=os.pathsep.join([os.environ.get("PATH", ""), *debian]))
    return None if found is None else Path(found).parent


NEEDS = {
    "postgres": ("a PostgreSQL server", lambda: answers(postgres_address())),
    "cluster": ("the programs of a PostgreSQL server", lambda: postgres_programs() is not None),
    "java": ("a Java runtime", lambda: bool(shutil.which("java"))),
    "chromium": (
        "the Chromium browser",
        lambda: any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    ),
}


@cache
def is_here(need: str) -> bool:
    """Look once per process."""
    return NEEDS[need][1]()


def needs_of(item: pytest.Item) -> list[str]:
    """Return the needs that a test is marked with."""
    return [need for need in NEEDS if item.get_closest_marker(need)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is not here."""
    for need in needs_of(item):
        if not is_here(need):
            pytest.skip(f"needs {NEEDS[need][0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Note which needs a skipped test had; where all must run, make it a failure."""
    report = yield
    needs = needs_of(item)
    if report.skipped and needs and not hasattr(report, "wasxfail"):
        # user_properties travel from a worker process to the one that prints
        report.user_properties.extend((LEFT_OUT, need) for need in needs)
        if REQUIRE_ALL:
            report.outcome = "failed"
            report.longrepr = f"{report.longrepr[2]}, and here nothing may be left out"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was left out, and how many tests."""
    reports = [
        report
        for outcome in ("skipped", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)  # a module that fails to load reports otherwise
    ]
    left_out = Counter(
        need for report in reports for kind, need in report.user_properties if kind == LEFT_OUT
    )
    if left_out:
        terminalreporter.section("left out on this machine", yellow=True)
    for need, count in left_out.items():
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.line(f"{tests} marked '{need}': needs {NEEDS[need][0]}")


# ---- no network ----------------------------------------------------------------------------------


def stay_on_this_machine(event: str, arguments: tuple) -> None:
    """Refuse names and connections beyond the loopback, whoever asks for them."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOOPBACK | {postgres_address()[0]}:
        raise PermissionError(f"a test may only speak to this machine, not to {host}")


sys.addaudithook(stay_on_this_machine)


# ---- databases to throw away ---------------------------------------------------------------------


@contextmanager
def postgres_database():
    """Create a database of its own on the PostgreSQL server, hand out its address, drop it."""
    from sqlalchemy.engine import make_url

    given = make_url(os.environ.get("HOMEWARD_TEST_POSTGRES_URL", "postgresql://127.0.0.1:5432"))
    server = given.set(username=given.username or "postgres", database=given.database or "postgres")
    name = f"homeward_test_{secrets.token_hex(6)}"
    tell_server(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        tell_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def tell_server(server, statement):
    """Run one statement that no transaction may hold."""
    import psycopg

    address = server.render_as_string(hide_password=False)
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def server_programs():
    """Folder of the programs of a PostgreSQL server; for tests marked ``cluster``."""
    return postgres_programs()


@pytest.fixture
def postgres_url():
    """Address of an empty PostgreSQL database; for tests marked ``postgres``."""
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    """Address of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'homeward.db'}"
        return
    with postgres_database() as url:
        yield url
