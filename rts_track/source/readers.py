"""The readers of an import, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rts_track.errors import UsageError
from rts_track.source.arts import arts_inventories
from rts_track.source.barth2023 import barth2023_inventories
from rts_track.source.darts import darts_inventories, preferred
from rts_track.source.fields import vector_inventories
from rts_track.source.nitze_labels import nitze_labels_inventories

if TYPE_CHECKING:
    from rts_track.source.inventory import Inventory
    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import VectorFile

_FIELD_OPTIONS = ("season_field", "date_field", "scene_field", "id_field", "gsd_field")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How files become inventories; `chosen` picks among the files of a folder.

    A reader that `knows_its_fields` takes no word on them from the user. One that `has_relations`
    reads rows that say which of them are the same slump, as ARTS does.
    """

    name: str
    inventories: Callable[[list[VectorFile], ImportRequest], list[Inventory]]
    chosen: Callable[[list[VectorFile]], list[VectorFile]] = list
    knows_its_fields: bool = False
    has_relations: bool = False


READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader(name="vector", inventories=vector_inventories),
        Reader(name="barth2023", inventories=barth2023_inventories, knows_its_fields=True),
        Reader(name="nitze-labels", inventories=nitze_labels_inventories, knows_its_fields=True),
        Reader(name="darts", inventories=darts_inventories, chosen=preferred),
        Reader(name="arts", inventories=arts_inventories, has_relations=True),
    )
}


def reader_for(request: ImportRequest) -> Reader:
    """The reader that the request names; UsageError where there is none, or it will not listen."""
    reader = READERS.get(request.reader)
    if reader is None:
        raise UsageError(f"reader {request.reader!r}: expected one of {', '.join(READERS)}")
    given = [name for name in _FIELD_OPTIONS if getattr(request, name) is not None]
    if reader.knows_its_fields and given:
        options = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"reader {reader.name} knows its fields: leave out {options}")
    return reader
