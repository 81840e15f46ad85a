"""``/docs``: the OpenAPI document as one plain page.

The usual interactive page loads its scripts from elsewhere, which a hospital's network does not
reach and our own security headers forbid. This one is text and a little style: nothing to load,
nothing that runs, readable by a screen reader and on paper.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #212b32; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { border-top: 1px solid #aeb7bd; padding-top: 1.5rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem }
pre { background: #f0f4f5; padding: 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid #d8dde0 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"


def docs_page(document: dict[str, Any]) -> str:
    """Render an OpenAPI document."""
    return "".join(
        (
            '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document['info']['title'])} API</title>",
            f"<style>{_STYLE}</style></head><body><main>",
            *_introduction(document),
            *(part for entry in document["paths"].items() for part in _path(*entry)),
            "<h2>Errors</h2>",
            *_errors(document),
            "<h2>Schemas</h2>",
            *(part for entry in _schemas(document) for part in _schema(*entry)),
            "</main></body></html>\n",
        )
    )


def _introduction(document: dict[str, Any]) -> Iterator[str]:
    about = document["info"]
    yield f"<h1>{escape(about['title'])} API, version {escape(about['version'])}</h1>"
    yield f"<p>{escape(about['summary'])}</p><p>{escape(about['description'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>.'
    yield " With API keys configured, send <code>Authorization: Bearer KEY</code>.</p><ul>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f'<li><a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}'
            yield f"</code></a> {escape(operation['summary'])}</li>"
    yield "</ul>"


def _path(path: str, operations: dict[str, Any]) -> Iterator[str]:
    for method, operation in operations.items():
        yield f'<h2 id="{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></h2>'
        yield f"<p>{escape(operation.get('description', operation['summary']))}</p>"
        for parameter in operation.get("parameters", ()):
            mark = "?" if parameter["in"] == "query" else ""
            yield f"<p><code>{mark}{escape(parameter['name'])}</code> "
            yield f"{escape(parameter['description'])}</p>"
        if "requestBody" in operation:
            yield from _request(path, operation["requestBody"])
        yield "<h3>Answers</h3><table><tbody>"
        for status, response in operation["responses"].items():
            yield f'<tr><th scope="row">{status}</th><td>{_response(response)}</td></tr>'
        yield "</tbody></table>"
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                if "example" in content:
                    yield f"<pre>{_json(content['example'])}</pre>"


def _request(path: str, request: dict[str, Any]) -> Iterator[str]:
    ((media, content),) = request["content"].items()
    example = content["example"]
    shown = escape(example) if isinstance(example, str) else _json(example)
    file = "request.json" if media == "application/json" else "request.txt"
    yield f"<h3>Request: {_type(content['schema'])}</h3><pre>{shown}</pre>"
    yield f"<p>With this in <code>{file}</code>:</p><pre>"
    yield f"curl -s http://127.0.0.1:8000{escape(path)} -H 'Content-Type: {escape(media)}' "
    yield f"--data-binary @{file}</pre>"


def _response(response: dict[str, Any]) -> str:
    if "$ref" in response:
        return '<a href="#errors">problem document</a>'
    kinds = ", ".join(
        f"{_type(content['schema'])} as <code>{escape(media)}</code>"
        for media, content in response.get("content", {}).items()
    )
    return f"{escape(response['description'])}: {kinds}"


def _errors(document: dict[str, Any]) -> Iterator[str]:
    yield '<p id="errors">Problem documents (RFC 9457). None repeats a value that was sent.</p>'
    yield "<table><tbody>"
    for name, response in document["components"]["responses"].items():
        (content,) = response["content"].values()
        yield f'<tr><th scope="row">{escape(name.removeprefix("Problem"))}</th>'
        yield f"<td>{escape(response['description'])}. {escape(content['example']['detail'])}"
        yield f"<br><code>{escape(content['example']['type'])}</code></td></tr>"
    yield "</tbody></table>"


def _schemas(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(document["components"]["schemas"].items())


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>'
    yield f"<p>{escape(schema.get('description', ''))}</p><table><tbody>"
    needed = schema.get("required", ())
    for field, about in schema.get("properties", {}).items():
        optional = "" if field in needed else " (optional)"
        yield f'<tr><th scope="row"><code>{escape(field)}</code>{optional}</th>'
        yield f"<td>{_type(about)}</td><td>{escape(about.get('description', ''))}</td></tr>"
    yield "</tbody></table>"


def _type(schema: dict[str, Any]) -> str:
    """Type of a value in a few words."""
    match schema:
        case {"$ref": reference}:
            name = escape(reference.rpartition("/")[2])
            words = f'<a href="#schema-{name}">{name}</a>'
        case {"anyOf": options}:
            words = " or ".join(_type(option) for option in options)
        case {"enum": options}:
            words = " or ".join(f"<code>{escape(json.dumps(option))}</code>" for option in options)
        case {"type": "array", **rest}:
            words = f"list of {_type(rest.get('items', {}))}"
        case _:
            words = escape(schema.get("format") or schema.get("type") or "any")
    return words


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}{path.replace('/', '-')}")


def _json(example: Any) -> str:
    return escape(json.dumps(example, indent=2, ensure_ascii=False), quote=False)
