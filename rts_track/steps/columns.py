"""Columns of Arrow rows as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rts_track.polygon.consolidate import NO_SCENE

if TYPE_CHECKING:
    from numpy.typing import NDArray


def doubles(rows: pa.Table, name: str) -> NDArray[np.float64]:
    """The column as numbers; NaN for null."""
    values: NDArray[np.float64] = rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def days(rows: pa.Table, name: str) -> NDArray[np.datetime64]:
    """The column as days; NaT for null."""
    values: NDArray[np.datetime64] = (
        rows[name].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    )
    return values


def flags(rows: pa.Table, name: str) -> NDArray[np.bool_]:
    """The column, which has no nulls, as flags."""
    values: NDArray[np.bool_] = rows[name].to_numpy(zero_copy_only=False).astype(bool)
    return values


def texts(values: pa.Array | pa.ChunkedArray) -> NDArray[np.object_]:
    """The texts; None for null."""
    return np.array(values.to_pylist(), dtype=object)


def names(rows: pa.Table, name: str) -> NDArray[np.object_]:
    """A column of few different texts, each text once in memory; "" for null."""
    coded = rows[name].combine_chunks().fill_null("").dictionary_encode()
    taken: NDArray[np.object_] = texts(coded.dictionary)[
        coded.indices.to_numpy(zero_copy_only=False)
    ]
    return taken


def numbered(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each text in alphabetical order; NO_SCENE for null."""
    coded = values.combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(texts(coded.dictionary)))
    code = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(code < 0, NO_SCENE, np.append(rank, NO_SCENE)[code]).astype(np.int64)
