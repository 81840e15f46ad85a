"""House rules that no linter knows: a patient's values stay out of logs and errors.

======================  ===========================================================================
rule                    forbids
======================  ===========================================================================
``value-in-log``        a record, a request or a feature value in the arguments of a logger call
``value-in-error``      the same in the text of an exception
``default-on-record``   ``record.get(name, default)``: missing is a fact, never a default
======================  ===========================================================================

What is a record is told by its name (`RECORDS`) or by the attribute read (`VALUES`); counting it,
or naming its type, is no offence. Where a rule is wrong, say so on the line, with a reason::

    log.info("read %s", row)  # house: allow value-in-log - a row of our own code list

Usage: ``python tools/house_rules.py PATH...``; exit code 1 and one line per offence.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


def words(text: str) -> frozenset[str]:
    """Return the words of a line as a set."""
    return frozenset(text.split())


RECORDS = words(
    "body event events feature_value feature_values features patient patients payload"
    " raw record records request row rows snapshot snapshots spell spells value values"
)
VALUES = words("body nhs_number numeric_value spell_id subject_id text_value value values")
# What may be told of a record: how many, of what kind, where it stood.
HARMLESS_CALLS = words("len type")
HARMLESS_ATTRIBUTES = words("__class__ dtype line method name nbytes ndim row_number shape size")
LOG_METHODS = words("critical debug error exception info log warning")
LOGGER = re.compile(r"(^|_|get)log(ger|ging)?$", re.IGNORECASE)
ERROR = re.compile(r"(Error|Exception|Refused|Bad[A-Z]\w+|Missing|Warning)$")
TEXT_OF_ERROR = words("detail fault message msg")
ESCAPE = re.compile(r"#\s*house: allow (?P<rule>[a-z-]+) - \S")


class Offence(NamedTuple):
    """One place where a rule is broken."""

    path: Path
    line: int
    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.found}"


def told_values(node: ast.AST) -> Iterator[str]:
    """Yield the names through which an expression would tell a record or a value of it."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in HARMLESS_CALLS:
            return
        case ast.Attribute(attr=name) if name in HARMLESS_ATTRIBUTES:
            return
        case ast.Attribute(attr=name) if name in VALUES:
            yield name
            return
        case ast.Name(id=name) if name in RECORDS:
            yield name
            return
    for child in ast.iter_child_nodes(node):
        yield from told_values(child)


def is_record(node: ast.AST) -> bool:
    """Say whether an expression is a record itself, as ``row``, ``self.row`` or ``rows[0]``."""
    match node:
        case ast.Name(id=name):
            return name in RECORDS
        case ast.Attribute(attr=name):
            return name in RECORDS - VALUES
        case ast.Subscript(value=container):
            return is_record(container)
    return False


def name_of(node: ast.AST) -> str:
    """Return the last name of a dotted expression, or nothing."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return name_of(function)
    return ""


def arguments_of(call: ast.Call) -> Iterator[ast.AST]:
    """Yield every argument of a call."""
    yield from call.args
    yield from (keyword.value for keyword in call.keywords)


def texts_in(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the pieces of text built in an expression: f-strings, ``%``, ``+``, ``format``."""
    for part in ast.walk(node):
        match part:
            case ast.JoinedStr():
                yield part
            case ast.BinOp(op=ast.Mod() | ast.Add(), left=ast.Constant(value=str())):
                yield part
            case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant())):
                yield part


def broken_by(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (rule, what was found) for one node of the tree."""
    match node:
        case ast.Call(func=ast.Attribute(attr=method, value=logger)) if (
            method in LOG_METHODS and LOGGER.search(name_of(logger))
        ):
            for argument in arguments_of(node):
                yield from (("value-in-log", found) for found in told_values(argument))
        case ast.Call(func=ast.Attribute(attr="get", value=record)) if len(
            list(arguments_of(node))
        ) > 1 and is_record(record):
            yield "default-on-record", f"{ast.unparse(record)}.get with a default"
        case ast.Call() if ERROR.search(name_of(node)):
            yield from told_in_error(*arguments_of(node))
        case ast.Assign(targets=[ast.Name(id=name)], value=text) if name in TEXT_OF_ERROR:
            yield from told_in_error(text)


def told_in_error(*expressions: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what the texts among `expressions` would tell."""
    for expression in expressions:
        for text in texts_in(expression):
            yield from (("value-in-error", found) for found in told_values(text))


def allowed_on(lines: list[str]) -> set[str]:
    """Return the rules that comments on these lines set aside, with a reason."""
    return {found["rule"] for line in lines for found in ESCAPE.finditer(line)}


def offences_in(path: Path, source: str) -> list[Offence]:
    """Check one file.

    >>> for offence in offences_in(Path("a.py"), "log.info('admitted %s', spell.subject_id)"):
    ...     print(offence)
    a.py:1: value-in-log: subject_id
    >>> offences_in(Path("a.py"), "log.info('%d rows', len(rows))")
    []
    """
    lines = source.splitlines()
    found = set()
    for node in ast.walk(ast.parse(source)):
        for rule, what in broken_by(node):
            first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
            if rule not in allowed_on(lines[first - 1 : last]):
                found.add(Offence(path, first, rule, what))
    return sorted(found)


def main(arguments: list[str]) -> int:
    """Check every Python file under the paths given."""
    files = sorted(file for given in arguments for file in Path(given).rglob("*.py"))
    offences = [found for file in files for found in offences_in(file, file.read_text())]
    print(*offences, sep="\n", end="\n" if offences else "")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
