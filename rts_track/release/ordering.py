"""Rows put in Hilbert order without holding them all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD_ROWS = 200_000
"""More rows than this wait in a file: bounds the memory of an export."""

_HILBERT_BITS = 16
"""Cells of 0.0055° x 0.0027°: finer than any row group is wide."""


def hilbert_distance(
    lon: NDArray[np.float64], lat: NDArray[np.float64], bits: int = _HILBERT_BITS
) -> NDArray[np.uint64]:
    """Where each point in degrees lies along the Hilbert curve over the world, from 0.

    The world is divided into 2^bits x 2^bits cells. Method: Warren (2013), Hacker's Delight,
    2nd edition, ch. 16, "Distance from coordinates", here over arrays.
    """
    side = np.int64(1) << bits
    x = np.clip((lon + 180.0) / 360.0 * side, 0, side - 1).astype(np.int64)
    y = np.clip((lat + 90.0) / 180.0 * side, 0, side - 1).astype(np.int64)
    distance = np.zeros(len(x), dtype=np.uint64)
    for bit in reversed(range(bits)):
        right, upper = x >> bit & 1, y >> bit & 1
        distance = distance << np.uint64(2) | (3 * right ^ upper).astype(np.uint64)
        is_turned, is_flipped = upper == 0, (upper == 0) & (right == 1)
        x, y = np.where(is_flipped, side - 1 - x, x), np.where(is_flipped, side - 1 - y, y)
        x, y = np.where(is_turned, y, x), np.where(is_turned, x, y)
    return distance


class Spool:
    """Batches to be read again in another order: held, or beyond HELD_ROWS in a file.

    The file is uncompressed Arrow, mapped and not read; it is gone when the spool is left.
    """

    def __init__(self, file: Path) -> None:
        """An empty spool."""
        self._file = file
        self._held: list[pa.RecordBatch] = []
        self._n_rows = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> Self:
        """The spool itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Remove the file, if there is one."""
        self._file.unlink(missing_ok=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep one more batch."""
        self._n_rows += len(batch)
        self._held.append(batch)
        if self._n_rows <= HELD_ROWS:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, batch.schema)
        for held in self._held:
            self._writer.write_batch(held)
        self._held = []

    def in_order(self, order: NDArray[np.int64], n_rows: int) -> Iterator[pa.RecordBatch]:
        """All rows in the order of these numbers, `n_rows` at a time."""
        batches = self._batches()
        first_row = np.cumsum([0, *(len(batch) for batch in batches)])
        for start in range(0, len(order), n_rows):
            rows = order[start : start + n_rows]
            gathered = np.sort(rows)
            of_batch = np.searchsorted(first_row, gathered, side="right") - 1
            picked = [
                batches[number].take(pa.array(gathered[of_batch == number] - first_row[number]))
                for number in np.unique(of_batch)
            ]
            table = pa.Table.from_batches(picked).combine_chunks()
            yield from table.take(pa.array(np.searchsorted(gathered, rows))).to_batches()

    def _batches(self) -> list[pa.RecordBatch]:
        if self._writer is None:
            return self._held
        self._writer.close()
        reader = pa.ipc.open_file(pa.memory_map(str(self._file)))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]
