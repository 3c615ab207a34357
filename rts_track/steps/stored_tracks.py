"""What a store holds of tracks, as scores ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rts_track.track.truth import Tracked

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.store.base import Reader


def stored_tracks(store: Reader, footprint: pa.Table) -> Tracked:
    """The store's outlines, links, events and tracks, beside these footprints."""
    return Tracked(
        footprint=footprint,
        outline=store.read("outline", ["outline_id", "track_id", "season_year", "area_m2"]),
        link=store.read("link", ["from_outline_id", "to_outline_id", "kind"]),
        event=store.read(
            "event", ["track_id", "related_track_id", "season_year", "kind", "confidence"]
        ),
        track=store.read("track", ["track_id", "lineage_id"]),
    )
