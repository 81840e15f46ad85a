"""What Homeward's own names in FHIR mean: a file a profile, extension, code system, operation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

KINDS: Final = ("StructureDefinition", "CodeSystem", "OperationDefinition")


@cache
def definitions() -> dict[tuple[str, str], dict[str, Any]]:
    """Every definition by its resource type and id."""
    read = (json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("*.json")))
    return {(one["resourceType"], one["id"]): one for one in read}
