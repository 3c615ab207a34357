"""Tables that wait on disk to be written, so that no more than one season is in memory."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


class Spool:
    """A folder of Arrow files; what is kept there is read as if it were in memory."""

    def __init__(self, folder: Path) -> None:  # noqa: D107
        self._folder = folder
        self._maps: list[mmap.mmap] = []

    def keep(self, table: pa.Table) -> pa.Table:
        """The same table, its columns on disk."""
        path = self._folder / f"{len(self._maps)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        with path.open("rb") as written:
            mapped = mmap.mmap(written.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()

    def let_go(self) -> None:
        """Give back the memory that pages read so far take; they are read anew when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on every system
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A spool that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rts-track-") as folder:
        yield Spool(Path(folder))
