"""The data dictionary in docs/ is that of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from rts_track.contract import CONTRACT
from rts_track.release.dictionary import dictionary

DOCUMENT = Path(__file__).parents[3] / "docs" / "dictionary.md"


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text(encoding="utf-8") == dictionary(), (
        "write it again: python -m rts_track.release.dictionary > docs/dictionary.md"
    )


@pytest.mark.parametrize("table", CONTRACT.values(), ids=lambda table: table.name)
def test_every_column_has_a_row_with_its_unit_meaning_choices_and_reference(table):
    (section,) = (
        part for part in dictionary().split("\n## ") if part.startswith(f"{table.name}\n")
    )
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(table.columns)
    for column, row in zip(table.columns, rows, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[:3] == [f"`{column.name}`", column.type, column.unit]
        assert cells[3] == ("null" if column.is_nullable else "")
        assert column.meaning in cells[4]
        assert all(f"`{choice}`" in cells[4] for choice in column.choices)
        assert column.references is None or f"(#{column.references})" in cells[4]
