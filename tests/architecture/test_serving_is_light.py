"""A serving process stays small: what only training needs is never loaded by it."""

import subprocess
import sys

HEAVY = {
    "catboost", "duckdb", "lightgbm", "matplotlib", "mlflow", "pandas", "polars", "pyarrow",
    "rich", "scipy", "sklearn", "statsmodels", "training", "xgboost",
}  # fmt: skip

LOAD_ALL = """
import pkgutil, sys, {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.endswith(("__main__", "._kernel")):  # a library for ctypes is no module
        __import__(module.name)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def loaded_by(program: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after `program`."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_whole_service_loads_no_training_library():
    assert loaded_by(LOAD_ALL.format(package="service")) & HEAVY == set()


def test_asking_the_command_line_for_help_loads_no_room_it_does_not_need():
    program = (
        "import sys, homeward.__main__\nprint(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert loaded_by(program) & (HEAVY | {"fastapi", "numpy"}) == set()
