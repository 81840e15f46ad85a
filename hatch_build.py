"""Compile the C kernels while the package is built.

The kernels are plain C behind ctypes: no Python headers, hence one library for every Python.
A machine with a C compiler uses it; a machine with only Python borrows one from the ``ziglang``
wheel, for the time of the build.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOMS_WITH_KERNELS = ("feature_store", "models", "service")

# Bit-for-bit the same answer on every machine: no -march=native, no -ffast-math, no fused
# multiply-add (-ffp-contract=off). -fno-math-errno only spares writes to errno.
FLAGS = ("-O3", "-fPIC", "-shared", "-std=c11", "-ffp-contract=off", "-fno-math-errno")
LIBRARIES = ("-lm",)


def installed_compiler() -> list[str] | None:
    """Return the command of this machine's C compiler, or None if it has none."""
    if chosen := os.environ.get("CC"):
        return chosen.split()
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    return [found] if found else None


def borrowed_compiler() -> list[str]:
    """Return the command of the compiler in the ``ziglang`` wheel.

    Zig compiles for the very processor it runs on unless told otherwise; a wheel may travel.
    """
    return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]


def compile_kernel(source: Path, library: Path) -> None:
    """Compile `source` and put the result at `library` in one step.

    A process that has the old library loaded keeps it: the file is replaced, never rewritten.
    """
    compiler = installed_compiler() or borrowed_compiler()
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".kernel-") as scratch:
        fresh = Path(scratch) / library.name
        command = [*compiler, *FLAGS, "-o", str(fresh), str(source), *LIBRARIES]
        caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), scratch)
        done = subprocess.run(
            command, env=caches | os.environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            message = f"{source.name} does not compile with {compiler[0]}:\n{done.stderr}"
            raise RuntimeError(message)
        fresh.replace(library)


class KernelBuildHook(BuildHookInterface):
    """Add one compiled library per room that has a ``kernel.c``."""

    PLUGIN_NAME = "kernels"

    def dependencies(self) -> list[str]:
        """Ask for a compiler only where there is none."""
        return [] if installed_compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile: beside the source for an editable install, into the wheel otherwise."""
        if self.target_name != "wheel":
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="homeward-kernels-")
        for room in ROOMS_WITH_KERNELS:
            source = Path(self.root, room, "kernel.c")
            if not source.exists():
                continue
            if version == "editable":
                compile_kernel(source, source.with_name("_kernel.so"))
                continue
            library = Path(self._scratch.name, room, "_kernel.so")
            library.parent.mkdir()
            compile_kernel(source, library)
            build_data["force_include"][str(library)] = f"{room}/_kernel.so"
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch folder of a wheel build."""
        if self.target_name == "wheel":
            self._scratch.cleanup()
