"""What the pages' small forms send."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from fastapi import Request
from starlette.datastructures import FormData

from service.pages.desk import Said
from service.problems import Problem
from service.record.feedback import Action, Override, Verdict

MOST_FORM_BYTES: Final = 4096


async def read_form(request: Request) -> FormData:
    """Fields of a small form.

    Raises
    ------
    Problem
        413 or 422: larger or other than our own forms are.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise Problem(413)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, errors="strict")
    except ValueError:
        raise Problem(422) from None
    return FormData([(name, values[0]) for name, values in fields.items()])


def text_of(form: FormData, name: str) -> str:
    """Field of a form; empty if it was not sent."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def said_of(form: FormData, caller: str, request_id: str) -> Said:
    """Read what a button of the form says: ``verdict:reason:action``."""
    verdict, reason, action = (*text_of(form, "say").split(":"), "", "")[:3]
    fits = (
        verdict in set(Verdict)
        and (not reason or reason in set(Override))
        and (not action or action in set(Action))
        and (verdict == Verdict.OVERRIDDEN) == bool(reason)
    )
    if not fits:
        raise Problem(422)
    return Said(
        score_id=text_of(form, "score_id"),
        verdict=verdict,
        reason=reason or None,
        action=action or None,
        caller=caller,
        request_id=request_id,
    )
