"""Every change of the store belongs to a run, and says so; what has been read is remembered."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import rts_track
from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json, mint

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.store.base import Store


def record_run(
    store: Store,
    step: str,
    params: Mapping[str, object],
    inputs_sha256: str,
    *,
    started_at: dt.datetime,
    bundle_sha256: str | None = None,
) -> str:
    """Record a step that is over, in the transaction that writes its results; its run_id.

    A step that used a model says which by `bundle_sha256`; `inputs_sha256` then covers it, too.
    """
    row = _run_row(step, params, inputs_sha256) | {"bundle_sha256": bundle_sha256}
    times = {"started_at": started_at, "finished_at": dt.datetime.now(dt.UTC)}
    store.upsert("run", _as_run({**row, **times}))
    return str(row["run_id"])


def run_id_of(step: str, params: Mapping[str, object], inputs_sha256: str) -> str:
    """The id of such a run."""
    return mint("run", step, rts_track.__version__, canonical_json(params), inputs_sha256)


def input_digests(store: Store, step: str) -> dict[str, str]:
    """What `step` last read, by its units."""
    rows = store.read("step_input", ["unit", "inputs_sha256"], {"step": step}).to_pylist()
    return {row["unit"]: row["inputs_sha256"] for row in rows}


def keep_input_digest(store: Store, step: str, unit: str, inputs_sha256: str) -> None:
    """Remember what `step` has read for `unit`, in the transaction that writes its results."""
    import pyarrow as pa

    row = {"step": step, "unit": unit, "inputs_sha256": inputs_sha256}
    store.upsert("step_input", pa.Table.from_pylist([row]))


def forget_units(store: Store, step: str, units: Sequence[str]) -> int:
    """Forget units that are no longer; how many were known."""
    return store.delete("step_input", {"step": step, "unit": list(units)}) if units else 0


def rows_digest(*tables: pa.Table) -> str:
    """SHA-256 over the tables' rows in their order, in hex.

    Equal rows of equal columns give equal digests, however the tables are sliced, chunked or
    filled behind their nulls. TypeError for nested columns.
    """
    sha = hashlib.sha256()
    for table in tables:
        sha.update(f"table {table.num_rows} {table.num_columns}\0".encode())
        for field, column in zip(table.schema, table.columns, strict=True):
            sha.update(f"column {field.name} {field.type}\0".encode())
            _take_in(sha, column)
    return sha.hexdigest()


def _take_in(sha: hashlib._Hash, column: pa.ChunkedArray) -> None:
    """Which rows are null, then the others: their lengths, if they have any, and their bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for chunk in column.chunks:
        sha.update(chunk.is_valid().to_numpy(zero_copy_only=False))
    chunks = [chunk.drop_null() for chunk in column.chunks]
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        for chunk in chunks:
            sha.update(pc.binary_length(chunk).to_numpy(zero_copy_only=False))
        for chunk in chunks:
            sha.update(_text_bytes(chunk))
    elif pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        raise TypeError(f"a digest of {kind} columns is not defined")
    else:
        for chunk in chunks:
            sha.update(chunk.to_numpy(zero_copy_only=False).view("u1"))


def _text_bytes(chunk: pa.Array) -> memoryview:
    """The bytes of all strings of a chunk without nulls, one after the other."""
    import numpy as np

    if len(chunk) == 0:
        return memoryview(b"")
    _, offsets, content = chunk.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    return memoryview(content or b"")[int(ends[0]) : int(ends[1])]


def _run_row(step: str, params: Mapping[str, object], inputs_sha256: str) -> dict[str, object]:
    return {
        "run_id": run_id_of(step, params, inputs_sha256),
        "step": step,
        "code_version": rts_track.__version__,
        "params": canonical_json(params),
        "inputs_sha256": inputs_sha256,
    }


def _as_run(row: Mapping[str, object]) -> pa.Table:
    """One row of `run`, with the columns that it has."""
    import pyarrow as pa

    schema = arrow_schema("run")
    return pa.Table.from_pylist([dict(row)], schema=pa.schema([schema.field(n) for n in row]))
