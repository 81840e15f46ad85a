"""A test that this machine cannot run is named at the end; in CI it fails the run."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
NOBODY_LISTENS = "postgresql://127.0.0.1:1/nothing"


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a small suite, under our conftest, on a machine without PostgreSQL."""
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini(
        "[pytest]\nmarkers =\n    postgres: needs PostgreSQL\n    java: needs Java\n"
        "addopts = --strict-markers\n"
    )
    monkeypatch.setenv("HOMEWARD_TEST_POSTGRES_URL", NOBODY_LISTENS)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half of the time of a small run
    for name in ("CI", "HOMEWARD_REQUIRE_ALL", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)

    def run_suite(source: str, *arguments: str, **environment: str):
        pytester.makepyfile(source)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "xdist", *arguments)

    return run_suite


TWO_OF_THREE = """
    import pytest

    @pytest.mark.postgres
    def test_rows_survive(): raise AssertionError("must not run")

    @pytest.mark.postgres
    def test_two_writers(): raise AssertionError("must not run")

    def test_needs_nothing(): pass
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "workers"])
def test_missing_need_is_named_at_the_end_with_its_count(run, arguments):
    result = run(TWO_OF_THREE, *arguments)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*left out on this machine*", "2 tests marked 'postgres': needs a PostgreSQL server"]
    )
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("switch", [{"CI": "true"}, {"HOMEWARD_REQUIRE_ALL": "1"}], ids=str)
@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "workers"])
def test_missing_need_fails_the_run_where_all_must_run(run, arguments, switch):
    result = run(TWO_OF_THREE, *arguments, **switch)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*nothing may be left out*", "*left out on this machine*", "2 tests marked 'postgres'*"]
    )


def test_a_marked_test_that_skips_itself_fails_where_all_must_run(run):
    skips_itself = """
        import pytest

        @pytest.mark.java
        def test_batch(): pytest.skip("no engine installed")
    """
    assert run(skips_itself).ret == pytest.ExitCode.OK
    assert run(skips_itself, CI="true").ret == pytest.ExitCode.TESTS_FAILED


def test_a_module_that_does_not_load_is_reported_as_such(run):
    result = run("import nothing_of_this_name")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*No module named 'nothing_of_this_name'*"])


def test_nothing_is_said_where_nothing_is_left_out(run):
    result = run("def test_needs_nothing(): pass")
    assert result.ret == pytest.ExitCode.OK
    assert "left out" not in result.stdout.str()


def test_the_network_is_out_of_reach_and_the_loopback_is_not(run):
    result = run(
        """
        import socket
        import pytest

        @pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
        def test_beyond(host):
            with pytest.raises(PermissionError, match="this machine"):
                socket.create_connection((host, 80), timeout=1)

        def test_loopback():
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname()).close()
        """
    )
    result.assert_outcomes(passed=3)


def test_settings_of_the_developer_do_not_reach_a_test(run):
    result = run(
        """
        import os

        def test_clean():
            assert "HOMEWARD_DATABASE_URL" not in os.environ
            assert "HOMEWARD_TEST_POSTGRES_URL" in os.environ
        """,
        HOMEWARD_DATABASE_URL="postgresql://precious",
    )
    result.assert_outcomes(passed=1)


def test_property_tests_look_further_where_it_is_said_so(run):
    counted = """
        from hypothesis import given, settings, strategies as st

        seen = []

        @given(st.integers())
        def test_of_a_hundred(number): seen.append(number)

        @settings(max_examples=5)
        @given(st.integers())
        def test_of_five(number): seen.append(number)

        def test_how_many(): assert len(seen) == {expected}
    """
    run(counted.replace("{expected}", "105")).assert_outcomes(passed=3)
    more = {"HOMEWARD_TEST_EXAMPLES": "50"}  # so many at least: never fewer
    run(counted.replace("{expected}", "150"), **more).assert_outcomes(passed=3)
