"""Tables that wait on disk to be written, so that no more than one season is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


class Spool:
    """A folder of Arrow files; what is kept there is read as if it were in memory."""

    def __init__(self, folder: Path) -> None:  # noqa: D107
        self._folder = folder
        self._n = 0

    def keep(self, table: pa.Table) -> pa.Table:
        """The same table, its columns on disk."""
        path = self._folder / f"{self._n}.arrow"
        self._n += 1
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A spool that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rts-track-") as folder:
        yield Spool(Path(folder))
