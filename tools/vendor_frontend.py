"""Bring the NHS front-end's style sheet into the repository, from its published package.

Its web fonts stay out: they would be loaded from elsewhere, and are licensed for nhs.uk alone.

Usage: python tools/vendor_frontend.py PACKAGE.tgz   (as ``npm pack nhsuk-frontend`` leaves it)
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tarfile
from pathlib import Path

VERSION = "10.6.1"
INTEGRITY = (
    "sha512-PZorqQZjZx/A26yJoskCL9z0ib6AtkAyF0o4K/RH"
    "r8zRrJyXrUOCnMbjy0VNXsGO4tfTNMwqlkwATKs4a0xayw=="
)
STYLE = f"package/dist/nhsuk/nhsuk-frontend-{VERSION}.min.css"
PLACE = Path(__file__).parents[1] / "service/pages/vendor/nhsuk-frontend/nhsuk-frontend.min.css"
ELSEWHERE = re.compile(r"@font-face\{[^}]*\}|/\*# sourceMappingURL[^*]*\*/")
IMAGES = re.compile(r"url\(/assets/images/[^)]*\)")


def main(arguments: list[str]) -> int:
    """Check the package and write the style sheet."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    package = Path(arguments[0])
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        print(f"{package.name}: the package of version {VERSION} expected, found another")
        return 2
    with tarfile.open(package) as archive:
        member = archive.extractfile(STYLE)
        if member is None:
            print(f"{STYLE} expected in the package, not found")
            return 2
        style = member.read().decode()
    PLACE.write_text(IMAGES.sub("none", ELSEWHERE.sub("", style)), encoding="utf-8")
    print(f"{PLACE.name}: {PLACE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
