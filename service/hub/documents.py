"""What OpenAPI tells of the routes of the live store and FastAPI cannot see."""

from __future__ import annotations

from typing import Any, Final

from feature_store.clock import to_moment
from service.identifiers import OPAQUE
from service.wire_live import EXAMPLE_EVENTS

_EXAMPLE_MOMENT: Final = to_moment(1_768_370_400_000_000).isoformat()
EXAMPLE_MESSAGE: Final = (
    "MSH|^~\\&|PAS|RXX|HOMEWARD|RXX|20260112214500||ADT^A01|1|P|2.4\r"
    "EVN|A01|20260112214500||||20260112214000\r"
    "PID|||1234567^^^RXX^MR||||19420301|2\r"
    "PV1||I|W12^^B04^RXX01|21|||||||430|||||||||V456\r"
)


def _field(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "description": description,
    }


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": OPAQUE}
_AT: Final = _field(
    "at",
    {"type": "string", "format": "date-time", "examples": [_EXAMPLE_MOMENT]},
    "The moment to ask about, not ahead of now; what was known then counts.",
)

EVENTS: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/EventsRequest"},
                "example": EXAMPLE_EVENTS,
            }
        },
    }
}

ADT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/hl7-v2": {"schema": {"type": "string"}, "example": EXAMPLE_MESSAGE}
        },
    }
}

SPELL: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "spell_id",
            "in": "path",
            "required": True,
            "schema": _TEXT,
            "description": "As it was sent; of an ADT message AUTHORITY|NUMBER.",
        },
        _AT,
        _field("reasons", {"type": "string", "enum": ["all"]}, "Every reason, not the top few."),
    ]
}

WORKLIST_QUERY: Final[dict[str, Any]] = {
    "parameters": [
        _field("site", _TEXT, "Only this site (SITE)."),
        _field("ward", _TEXT, "Only this ward (WARD)."),
        _field(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 5000},
            "At most so many entries.",
        ),
        _AT,
    ]
}
