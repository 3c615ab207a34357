"""States of chains, season by season; they wait on disk until chains have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rts_track.contract import arrow_schema
from rts_track.steps.columns import days, doubles, flags, texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.steps.spool import Spool

Columns = dict[str, "NDArray[Any]"]

_SCHEMA = arrow_schema("track_state")
_OF_CHAIN = pa.schema([field for field in _SCHEMA if field.name != "track_id"])


class ChainStates:
    """States of some chains in one season: `chain` in memory, what else is known of each on disk.

    `columns` are those of the contract's `track_state` but for `track_id`; NaN and NaT: unknown.
    """

    def __init__(  # noqa: D107
        self, season_year: int, chain: NDArray[np.int64], columns: Columns, spool: Spool
    ) -> None:
        self.season_year, self.chain, self._spool = season_year, chain, spool
        self._keep(columns)

    def join_fragments(self, gone: NDArray[np.int64], kept: Mapping[int, int]) -> None:
        """Let the states of chains that are gone be part of others': areas add up.

        `kept` is the chain that each of them is of.
        """
        at = np.flatnonzero(np.isin(self.chain, gone))
        if not len(at):
            return
        columns = self._columns()
        row_of = {chain: row for row, chain in enumerate(self.chain.tolist())}
        for row in at.tolist():
            if not np.isnan(columns["area_m2"][row]):
                _add(columns, row, row_of[kept[int(self.chain[row])]])
        self.chain = np.delete(self.chain, at)
        self._keep({name: np.delete(column, at) for name, column in columns.items()})

    def rows(self, track_of_chain: NDArray[np.object_]) -> pa.Table:
        """The states as rows of the contract."""
        track_id = pa.array(track_of_chain[self.chain], pa.string())
        return self._rows.append_column("track_id", track_id).select(_SCHEMA.names).cast(_SCHEMA)

    def _keep(self, columns: Columns) -> None:
        rows = {
            "season_year": np.full(len(self.chain), self.season_year),
            **{name: _plain(column) for name, column in columns.items()},
        }
        arrays = [pa.array(rows[f.name], f.type, from_pandas=True) for f in _OF_CHAIN]
        self._rows = self._spool.keep(pa.Table.from_arrays(arrays, schema=_OF_CHAIN))

    def _columns(self) -> Columns:
        """What was kept, as arrays that may be changed."""
        rows = self._rows
        return {
            "state": texts(rows["state"]),
            "coverage_frac": doubles(rows, "coverage_frac"),
            "observed_from": days(rows, "observed_from"),
            "observed_to": days(rows, "observed_to"),
            "source": texts(rows["source"]),
            "area_m2": doubles(rows, "area_m2"),
            "area_sigma_m2": doubles(rows, "area_sigma_m2"),
            "n_outlines": rows["n_outlines"].to_numpy().astype(np.int64),
            "is_clipped": flags(rows, "is_clipped"),
        }


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """The column as Arrow takes it: texts as objects."""
    return column.astype(object) if column.dtype.kind == "U" else column


def _add(columns: Columns, at: int, to: int) -> None:
    """Add the state in one row to that in another."""
    if columns["area_m2"][at] > columns["area_m2"][to]:
        for name in ("observed_from", "observed_to", "source"):
            columns[name][to] = columns[name][at]
    columns["area_m2"][to] += columns["area_m2"][at]
    sigma = columns["area_sigma_m2"]
    sigma[to] = np.hypot(sigma[to], sigma[at])
    columns["n_outlines"][to] += columns["n_outlines"][at]
    columns["is_clipped"][to] |= columns["is_clipped"][at]
    frac = columns["coverage_frac"]
    frac[to] = np.fmin(frac[to], frac[at])
    if columns["state"][at] == "partial":
        columns["state"][to] = "partial"
