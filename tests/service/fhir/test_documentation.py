"""docs/fhir.md and its examples say what is so.

``HOMEWARD_TEST_RENEW=1 python -m pytest tests/service/fhir/test_documentation.py`` renews them.
"""

import json
import os
from pathlib import Path

from service.fhir.definitions import definitions

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "fhir.md").read_text()
AT = "2026-01-14T06:00:00Z"
VOLATILE = {"id", "fullUrl", "lastUpdated", "occurrenceDateTime", "probabilityDecimal", "rationale"}
OF_THE_MODEL = VOLATILE | {"qualitativeRisk", "mitigation", "valueDecimal", "note", "identifier"}


def steady(answer):
    """An answer without what another moment or another model would say otherwise."""
    if isinstance(answer, dict):
        return {key: steady(value) for key, value in answer.items() if key not in OF_THE_MODEL}
    return [steady(one) for one in answer] if isinstance(answer, list) else answer


def test_the_example_bundle_is_answered_as_the_example_answer_says(service, against_profile):
    body = (DOCS / "fhir" / "bundle.json").read_bytes()
    answer = service.post(
        "/fhir/$score",
        content=body,
        headers={"Content-Type": "application/fhir+json"},
        params={"at": AT},
    )
    assert answer.status_code == 200
    assert f"$score?at={AT}" in PAGE
    path = DOCS / "fhir" / "answer.json"
    if "HOMEWARD_TEST_RENEW" in os.environ:
        path.write_text(json.dumps(answer.json(), indent=1, ensure_ascii=False) + "\n")
    example = json.loads(path.read_text())
    assert steady(example) == steady(answer.json())
    scores = [one["resource"] for one in example["entry"] if "prediction" in one["resource"]]
    assert [against_profile(one) for one in scores] == [[]]


def test_every_definition_is_told_of():
    for _, name in definitions():
        assert f"`urn:homeward:{name}`" in PAGE
