"""Portable SQL names its parameters `$name`; psycopg wants `%(name)s`."""

from __future__ import annotations

import re
from collections.abc import Collection

from rts_track.errors import StoreError

_TOKEN = re.compile(
    r"""
      (?P<literal> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
                 | --[^\n]* | /\*.*?\*/ | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$ )
    | (?<![\w$]) \$(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def parameter_names(sql: str) -> set[str]:
    """The parameters that the statement names outside of literals and comments."""
    return {match["name"] for match in _TOKEN.finditer(sql) if match["name"]}


def to_percent_style(sql: str) -> str:
    """The statement with `%(name)s` for `$name`, and every `%` of its own doubled."""
    parts, end = [], 0
    for match in _TOKEN.finditer(sql):
        parts.append(sql[end : match.start()].replace("%", "%%"))
        parts.append(f"%({match['name']})s" if match["name"] else match[0].replace("%", "%%"))
        end = match.end()
    return "".join([*parts, sql[end:].replace("%", "%%")])


def check_parameters(sql: str, given: Collection[str]) -> None:
    """StoreError where the statement's parameters and the given ones are not the same."""
    named = parameter_names(sql)
    if missing := sorted(named - set(given)):
        raise StoreError(f"the statement needs a value for ${missing[0]}")
    if excess := sorted(set(given) - named):
        raise StoreError(f"the statement has no parameter ${excess[0]}")
