"""Tables that wait on disk until they are needed, so that no more than one season is in memory."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

if TYPE_CHECKING:
    from rts_track.steps.tiles import Workers

Task = TypeVar("Task")
Result = TypeVar("Result")


class Spool:
    """A folder of Arrow files; what is kept there is read as if it were in memory."""

    def __init__(self, folder: Path) -> None:  # noqa: D107
        self._folder = folder
        self._n_files = 0
        self._maps: list[mmap.mmap] = []

    def keep(self, table: pa.Table) -> pa.Table:
        """The same table, its columns on disk."""
        return self.keep_parts([table])

    def keep_parts(self, parts: Iterable[pa.Table]) -> pa.Table:
        """All parts as one table on disk, a chunk a part; each is dropped before the next comes.

        They have one schema, and there is one at least.
        """
        drawer = self.open_drawer()
        for part in parts:
            drawer.add(part)
            self.let_go()
        return drawer.close()

    def open_drawer(self) -> Drawer:
        """A file that is filled little by little."""
        self._n_files += 1
        return Drawer(self._folder / f"{self._n_files}.arrow", self._maps)

    def let_go(self) -> None:
        """Give back the memory that pages read so far take; they are read anew when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on every system
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
        pa.default_memory_pool().release_unused()


class Drawer:
    """A file of a spool while it is being filled."""

    def __init__(self, path: Path, maps: list[mmap.mmap]) -> None:  # noqa: D107
        self._path, self._maps = path, maps
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.RecordBatchFileWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Put the table in, as one chunk; all that are put in have one schema."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, table.schema)
        self._writer.write_table(table.combine_chunks())

    def close(self) -> pa.Table:
        """All that was put in, read where it lies; something was, be it of no rows."""
        assert self._writer is not None
        self._writer.close()
        self._file.close()
        with self._path.open("rb") as written:
            mapped = mmap.mmap(written.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()


class SparingWorkers:
    """Workers that let go, after each task, of what it read of a spool."""

    def __init__(self, workers: Workers, spool: Spool) -> None:  # noqa: D107
        self._workers, self._spool = workers, spool

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """What the work makes of each task."""
        for result in self._workers.map(work, tasks):
            self._spool.let_go()
            yield result


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A spool that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rts-track-") as folder:
        yield Spool(Path(folder))
