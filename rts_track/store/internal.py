"""Bookkeeping tables that are no part of the contract: readers of the data never see them."""

from __future__ import annotations

from rts_track.contract import CONTRACT, Column, Table

INTERNAL_SCHEMA = "rts_track_internal"


def _text(name: str, meaning: str) -> Column:
    return Column(name=name, type="text", unit="", meaning=meaning, is_nullable=False)


_TABLES = (
    Table(
        name="step_input",
        meaning="what a step last read for a unit of work; equal digests mean nothing to do",
        key=("step", "unit"),
        columns=(
            _text("step", "the step"),
            _text("unit", "its unit of work, such as a season and kind"),
            _text("inputs_sha256", "digest of what it read"),
        ),
    ),
    Table(
        name="superseded_footprint",
        meaning="footprints whose source feature was imported again with another outline",
        key=("footprint_id",),
        columns=(
            _text("footprint_id", "the former footprint"),
            _text("run_id", "run that brought its successor"),
        ),
    ),
)

INTERNAL: dict[str, Table] = {table.name: table for table in _TABLES}


def any_table(name: str) -> Table:
    """The contract or internal table of that name."""
    return CONTRACT.get(name) or INTERNAL[name]
