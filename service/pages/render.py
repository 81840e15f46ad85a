"""Templates to bytes: everything escaped, nothing undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from feature_store.vocabulary import INTENDED_PURPOSE
from service.pages.assets import address

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of every page: nothing from elsewhere, nothing inline."""

_TEMPLATES = Environment(
    loader=PackageLoader("service.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.globals.update(asset=address, purpose=INTENDED_PURPOSE)


def render(template: str, **values: Any) -> bytes:
    """One page.

    Raises
    ------
    jinja2.UndefinedError
        A value that the template needs was not given.
    """
    about = {"caller": "", "here": "", "signed_in": False, "csrf": "", "synthetic": False}
    return _TEMPLATES.get_template(template).render(about | values).encode()


def part(name: str, *values: Any) -> str:
    """One part of a page, a macro of ``parts.html``: escaped, and marked as such for templates."""
    macro: Callable[..., str] = getattr(_TEMPLATES.get_template("parts.html").module, name)
    return macro(*values)
