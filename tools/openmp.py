"""Give LightGBM the OpenMP library it expects, on a machine that has none.

LightGBM's wheel takes ``libgomp.so.1`` from the operating system, and a bare image (Python and
make) does not have it. Scikit-learn's wheel carries the same library under a private name. So, only
where the system has none, a copy under the public name is put into the environment and loaded
whenever its Python starts. Run by the Makefile after each installation.
"""

import contextlib
import ctypes
import sys
import sysconfig
from pathlib import Path

NAME = b"libgomp.so.1"
START = "import ctypes; ctypes.CDLL({path!r}, mode=ctypes.RTLD_GLOBAL)\n"


def is_loadable(library: str) -> bool:
    """Say whether the dynamic loader finds `library`."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(library)
        return True
    return False


def renamed(library: bytes, own_name: bytes) -> bytes:
    r"""Return `library` under the public name.

    The loader knows a library by the name inside it (SONAME), not by its file name. The public
    name is shorter, so it fits where the private one stood.

    >>> renamed(b"..libgomp-e985bcbb.so.1.0.0..", b"libgomp-e985bcbb.so.1.0.0").count(b"\0")
    13
    """
    return library.replace(own_name, NAME.ljust(len(own_name), b"\0"))


def main() -> None:
    """Do nothing where the system has OpenMP; else borrow scikit-learn's."""
    if not sys.platform.startswith("linux") or is_loadable(NAME.decode()):
        return
    packages = Path(sysconfig.get_path("platlib"))
    private = next(packages.glob("scikit_learn.libs/libgomp-*"))
    public = packages / "homeward_openmp" / NAME.decode()
    public.parent.mkdir(exist_ok=True)
    public.write_bytes(renamed(private.read_bytes(), private.name.encode()))
    (packages / "homeward_openmp.pth").write_text(START.format(path=str(public)))


if __name__ == "__main__":
    main()
