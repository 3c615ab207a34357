"""Which footprints give way when their feature is imported again with another outline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track import grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME_PLACE_M = 500.0
"""An edited outline keeps its place; another file's feature of the same id lies elsewhere."""

FORMER_COLUMNS = ("footprint_id", "source_feature_id", "season_year", "lon", "lat")


class Superseding:
    """Finds the stored footprints whose features came again with another outline.

    A file is the one that was imported before if it still holds one of that one's footprints;
    whatever else came of the same features is then superseded. Where nothing is left of the
    former file, another of the same name may have come instead (2020/slumps.shp after
    2019/slumps.shp, or that of the next site): then a footprint is superseded only if its feature
    is still in the same place and the file still has its season.

    Args:
        incoming: the bytes of all ids in this import.
        seasons: the seasons that each file holds, by its name.
    """

    def __init__(self, incoming: Collection[bytes], seasons: Mapping[str, Collection[int]]) -> None:
        """Nothing compared yet."""
        self._incoming = incoming
        self._seasons = seasons
        self._known_files: set[str] = set()
        self._formers: dict[str, dict[str, bool]] = {}

    def compare(self, stem: str, rows: pa.Table, stored: pa.Table) -> None:
        """Hold a file's incoming rows against what was stored under their features' ids before.

        Both have FORMER_COLUMNS.
        """
        is_incoming = [id_bytes(one) in self._incoming for one in _texts(stored, "footprint_id")]
        if any(is_incoming):
            self._known_files.add(stem)
        at = {name: row for row, name in enumerate(_texts(rows, "source_feature_id"))}
        partner = [at[name] for name in _texts(stored, "source_feature_id")]
        is_near = _distance_m(rows.take(pa.array(partner, pa.int64())), stored) <= SAME_PLACE_M
        formers = self._formers.setdefault(stem, {})
        for row, footprint_id in enumerate(_texts(stored, "footprint_id")):
            if not is_incoming[row]:
                season = stored["season_year"][row].as_py()
                formers[footprint_id] = bool(is_near[row]) and season in self._seasons[stem]

    def superseded(self) -> list[str]:
        """Ids of the footprints that give way, once every file has been compared."""
        return sorted(
            footprint_id
            for stem, formers in self._formers.items()
            for footprint_id, is_same in formers.items()
            if is_same or stem in self._known_files
        )


def id_bytes(footprint_id: str) -> bytes:
    """The id as 16 bytes: a million of them must be kept at a time."""
    return bytes.fromhex(footprint_id.replace("-", ""))


def _texts(table: pa.Table, name: str) -> list[str]:
    texts: list[str] = table[name].to_pylist()
    return texts


def _distance_m(one: pa.Table, other: pa.Table) -> NDArray[np.float64]:
    """Metres between the points of two tables, row by row, to a few per cent."""
    carry = grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform
    x1, y1 = carry(one["lon"].to_numpy(), one["lat"].to_numpy())
    x2, y2 = carry(other["lon"].to_numpy(), other["lat"].to_numpy())
    return np.asarray(np.hypot(np.asarray(x1) - x2, np.asarray(y1) - y2))
