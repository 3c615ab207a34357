"""Reader of ARTS (Yang et al. 2025, doi:10.1038/s41597-025-04372-7): many labs' slumps, gathered.

Its base maps are single images or mosaics: one scene is what a lab drew in a region on a base map
of the same dates. Boxes and points are no outlines, negatives no slumps: they are left out.
Relations between polygons (UIDs of the *other* polygons) stay among the attributes; from them
`steps.arts_relations` makes verdicts on links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rts_track.source.fields import Fields, asked_facts, asked_fields, describe_by
from rts_track.source.inventory import Description, Inventory, LeftOut, SourceFacts

if TYPE_CHECKING:
    from rts_track.source.request import ImportRequest
    from rts_track.source.vector import Row, VectorFile

FACTS = SourceFacts(
    source="arts",
    kind="landform",
    mapper="person",
    citation="Yang et al. 2025: Arctic Retrogressive Thaw Slumps data set (ARTS),"
    " Scientific Data 12, doi:10.1038/s41597-025-04372-7; data doi:10.18739/A2PK0738B",
    licence="CC0-1.0",
)
FIELDS = Fields(date="BaseMapDate", id="UID", gsd="BaseMapResolution")

REPEAT, MERGED, SPLIT, NEW, STABILIZED = (
    "RepeatRTS",
    "MergedRTS",
    "SplitRTS",
    "NewRTS",
    "StabilizedRTS",
)
RELATIONS = (REPEAT, MERGED, SPLIT, NEW, STABILIZED)
"""Columns that say of the row's polygon and others: the same slump in another season; what merged
into it; what it split from; what began on it, a scar; the scar that it began on."""

UNKNOWN = "UnknownRelationship"
RELATED_BY = "RelationshipBy"
"""A column of our own, written beside ARTS's: who found the relations."""

CONTRIBUTED = "ContributionDate"

_DECIDERS = (RELATED_BY, "Contributor", "ContributorName", "CreatorLab")
_NO_UID = ("", "none", "null", "nan", "na", "n/a")

_REQUIRED = ("RegionName", "CreatorLab", "BaseMapSource", "TrainClass")


def arts_inventories(files: list[VectorFile], request: ImportRequest) -> list[Inventory]:
    """The inventory of ARTS's files; UsageError for a file without its columns."""
    fields = asked_fields(request, FIELDS)
    for file in files:
        file.require(*sorted(fields.used), *_REQUIRED, option=", so not of ARTS")
    return [
        Inventory(
            facts=asked_facts(request, FACTS),
            files=tuple(files),
            describe=describe_with(fields),
            id_field=fields.id,
            has_gsd=True,
            used_fields=fields.used - {fields.date},
        )
    ]


def related_uids(attributes: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The relations that a row states: the column, and the UID of the other polygon."""
    for column in RELATIONS:
        value = attributes.get(column)
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            for uid in re.split(r"[,;|\s]+", str(text if text is not None else "")):
                bare = uid.strip("[]'\"")
                if bare.lower() not in _NO_UID:
                    yield column, bare


def decider(attributes: Mapping[str, object]) -> str:
    """Who stands for a row's relations; ARTS where it does not say."""
    named = (str(attributes.get(column) or "").strip() for column in _DECIDERS)
    return next((name for name in named if name), "ARTS")


def is_arts(attributes: Mapping[str, object]) -> bool:
    """Whether the attributes are those of a row of ARTS."""
    return all(column in attributes for column in _REQUIRED)


def uid_of(source_feature_id: str) -> str | None:
    """The UID that a footprint came under; None where its row had none of its own."""
    uid = source_feature_id.partition(":")[2]
    return None if "#" in uid else uid or None


def describe_with(fields: Fields) -> Callable[[Row, VectorFile], Description]:
    """How a row is understood; LeftOut for what is no outline of a slump."""
    describe_fields = describe_by(fields)

    def describe(row: Row, file: VectorFile) -> Description:
        if str(row["TrainClass"]).strip().lower() == "negative":
            raise LeftOut("TrainClass Negative: searched, no slump")
        label = str(row.get("LabelType") or "Polygon").strip()
        if label.lower() != "polygon":
            raise LeftOut(f"LabelType {label}: no outline")
        description = describe_fields(row, file)
        return replace(description, scene=description.scene or _base_map(row, fields))

    return describe


def _base_map(row: Row, fields: Fields) -> str:
    image = row.get("BaseMapID") or row["BaseMapSource"]
    dates = row[fields.date] if fields.date else ""
    return f"{row['CreatorLab']}:{row['RegionName']}:{image}:{dates}"
