"""The questions in `sql/`: what each asks, takes and answers; asked of any store or export.

A question is one portable statement that opens with its own description:

    -- question: what it asks
    -- grain: one row per ...
    -- params:
    --   name: type in choice|choice = default [unit]: meaning
    -- units:
    --   column: type [unit]: meaning

A parameter without `= default` is required; the default `none` is null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rts_track.contract import Column, ColumnType, Table, to_arrow_schema
from rts_track.errors import UsageError
from rts_track.resources import resource_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.store.base import Reader, Scalar

_SECTION = re.compile(r"-- (question|grain|params|units):\s*(.*)")
_PARAMETER = re.compile(
    r"--   (?P<name>\w+): (?P<type>text|int|double|bool)(?: in (?P<choices>[\w|]+))?"
    r"(?: = (?P<default>\S+))?(?: \[(?P<unit>[^\]]+)\])?: (?P<meaning>.+)"
)
_COLUMN = re.compile(
    r"--   (?P<name>\w+): (?P<type>text|int|double|bool|date|timestamp|json|geometry)"
    r"(?: \[(?P<unit>[^\]]+)\])?: (?P<meaning>.+)"
)
_NO_VALUE = "none"
_INT_LIMIT = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a question lets its asker choose."""

    name: str
    type: ColumnType
    choices: tuple[str, ...]
    default: str | None
    """As it is written; `none` is null; None: the parameter is required."""
    unit: str
    meaning: str

    @property
    def is_required(self) -> bool:
        """Whether the question cannot be asked without it."""
        return self.default is None

    def parse(self, text: str) -> Scalar:
        """The value that the text stands for; UsageError where it stands for none."""
        if self.choices and text not in self.choices:
            expected = f"{' or '.join(self.choices)}{_near(text, self.choices)}"
            raise UsageError(f"{self.name}={text}: expected {expected}")
        try:
            return _PARSERS[self.type](text)
        except ValueError as error:
            raise UsageError(f"{self.name}={text}: expected {error}") from None

    @property
    def default_value(self) -> Scalar:
        """What an optional parameter is where it is not given."""
        return None if self.default in (None, _NO_VALUE) else self.parse(str(self.default))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One analytic question: its words, its parameters, its answer's columns and its statement."""

    name: str
    question: str
    grain: str
    params: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    sql: str

    @property
    def answer_schema(self) -> pa.Schema:
        """The answer's columns as Arrow, the same from every engine, with units as metadata."""
        import pyarrow as pa

        described = to_arrow_schema(
            Table(name=self.name, meaning=self.grain, key=(), columns=self.columns)
        )
        return pa.schema(
            [
                field.with_metadata({**field.metadata, b"type": b"json"})
                if column.type == "json"
                else field
                for field, column in zip(described, self.columns, strict=True)
            ]
        )


def questions() -> list[Question]:
    """Every question, in the order of their names."""
    return [_read(file) for file in sorted(resource_folder("sql").glob("*.sql"))]


def question(name: str) -> Question:
    """The question of that name; UsageError, with names like it, where there is none."""
    files = {file.stem: file for file in sorted(resource_folder("sql").glob("*.sql"))}
    if name not in files:
        raise UsageError(
            f"no question {name!r}{_near(name, files)}; `rts-track query` lists the questions"
        )
    return _read(files[name])


def bind(question: Question, given: Mapping[str, str]) -> dict[str, Scalar]:
    """The value of each of the question's parameters, from the texts that were given.

    Raises:
        UsageError: one line that lists every unknown and missing parameter, or the first value
            that cannot be read as its parameter's type.
    """
    params = {param.name: param for param in question.params}
    faults = [f"no parameter {name!r}{_near(name, params)}" for name in given if name not in params]
    faults += [
        f"{param.name} is missing ({param.meaning})"
        for param in question.params
        if param.is_required and param.name not in given
    ]
    if faults:
        known = ", ".join(params) or "none"
        raise UsageError(f"{question.name}: {'; '.join(faults)}; it takes: {known}")
    return {
        name: param.parse(given[name]) if name in given else param.default_value
        for name, param in params.items()
    }


def ask(reader: Reader, name: str, given: Mapping[str, str] | None = None) -> pa.Table:
    """The answer to the question of that name, columns as its `answer_schema` says.

    Geometry is WKB of WGS 84 lon/lat, json is text. Rows come in the question's order.

    UsageError for a wrong question or parameter, StoreError where the reader fails.
    """
    asked = question(name)
    return _typed(reader.query(asked.sql, bind(asked, given or {})), asked)


def questions_page() -> str:
    """The questions as a page of Markdown (docs/questions.md)."""
    known = questions()
    contents = [f"- [{asked.name}](#{asked.name}): {asked.question}" for asked in known]
    return "\n".join([_PAGE_HEAD, *contents, "", *(_page_section(asked) for asked in known)])


def question_lines() -> list[str]:
    """The questions as lines of text: each one's name and words, then its parameters."""
    known = questions()
    width = max(len(asked.name) for asked in known)
    lines = []
    for asked in known:
        lines.append(f"{asked.name.ljust(width)}  {asked.question}")
        params = " ".join(
            f"{param.name}={'...' if param.is_required else param.default}"
            for param in asked.params
        )
        lines.append(f"{' ' * width}  {params}")
    return lines


def _read(file: Path) -> Question:
    """The question in the file; ValueError where its description is not in order."""
    lines = file.read_text(encoding="utf-8").splitlines()
    n_described = next(n for n, line in enumerate(lines) if not line.startswith("--"))
    sections: dict[str, list[str]] = {}
    section = "question"
    for line in lines[:n_described]:
        opening = _SECTION.fullmatch(line)
        if opening:
            section = opening[1]
            sections[section] = [opening[2]] if opening[2] else []
        else:
            sections.setdefault(section, []).append(line)
    try:
        return Question(
            name=file.stem,
            question="".join(sections["question"]),
            grain="".join(sections["grain"]),
            params=tuple(_parameter(line) for line in sections["params"]),
            columns=tuple(_column(line) for line in sections["units"]),
            sql="\n".join(lines[n_described:]) + "\n",
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def _parameter(line: str) -> Parameter:
    said = _fields(_PARAMETER, line)
    return Parameter(
        name=said["name"],
        type=cast("ColumnType", said["type"]),
        choices=tuple(said["choices"].split("|")) if said["choices"] else (),
        default=said["default"] or None,
        unit=said["unit"],
        meaning=said["meaning"],
    )


def _column(line: str) -> Column:
    said = _fields(_COLUMN, line)
    return Column(
        name=said["name"],
        type=cast("ColumnType", said["type"]),
        unit=said["unit"],
        meaning=said["meaning"],
        is_nullable=True,
    )


def _fields(pattern: re.Pattern[str], line: str) -> dict[str, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise ValueError(f"cannot read {line!r}")
    return match.groupdict(default="")


def _near(name: str, known: Iterable[str]) -> str:
    """The known names that look like it, as part of a message."""
    near = get_close_matches(name, list(known), cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _whole_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError("a whole number") from None
    if abs(number) >= _INT_LIMIT:
        raise ValueError("a whole number of at most nine digits")
    return number


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("a number") from None
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


_PARSERS: Mapping[str, Callable[[str], str | int | float | bool]] = {
    "text": str,
    "int": _whole_number,
    "double": _number,
    "bool": _yes_or_no,
}


def _typed(answer: pa.Table, asked: Question) -> pa.Table:
    """The answer with the declared columns and types."""
    return answer.select(asked.answer_schema.names).cast(asked.answer_schema)


_PAGE_HEAD = """\
# Questions

What `rts-track query` can be asked. Each question is one SQL statement in `sql/`, and gives the
same rows on PostGIS, on the embedded DuckDB file and on an exported folder:

    rts-track query                                   # the list
    rts-track query fastest-growers --param season=2021 --param limit=5
    rts-track query track-outlines --format parquet --output outlines.parquet
    rts-track query tracks --store parquet:///export  # an exported folder

Retracted tracks are left out. Tentative ones, seen in one season so far, are shown apart: by the
column `validity`, or by counts of their own. Where slumps merge or split, growth is that of their
whole group (basis `group`). Sums count a group once; `growth-rate` and `track-story`, which speak
of each track, repeat its figures, with the group's id. An empty cell is null: not known.
"""


def _page_section(question: Question) -> str:
    """The part of the page about one question."""
    lines = [f"## {question.name}", "", question.question, ""]
    lines += [f"Answers with {question.grain}.", ""]
    lines += ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for param in question.params:
        kind = " or ".join(f"`{choice}`" for choice in param.choices) or param.type
        default = "required" if param.is_required else str(param.default)
        lines.append(f"| `{param.name}` | {kind} | {default} | {_meaning(param)} |")
    lines += ["", "| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{c.name}` | {c.type} | {_meaning(c)} |" for c in question.columns]
    return "\n".join([*lines, ""])


def _meaning(described: Parameter | Column) -> str:
    unit = f" [{described.unit}]" if described.unit else ""
    return f"{described.meaning}{unit}"
