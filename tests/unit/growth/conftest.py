"""Histories of a few appearances, written as rows."""

from __future__ import annotations

import numpy as np
import pytest

from rts_track.growth.history import Appearances, Descent, history_of


def day_of(year):
    """The first of August, in days since 1970."""
    return float(np.datetime64(f"{year}-08-01", "D").astype(int))


class Histories:
    """Rows (track, season, area) and links between them, by their position, into a history."""

    def __call__(self, rows, links=(), *, lineage=None, initiated=(), **columns):
        n = len(rows)
        track = np.array([row[0] for row in rows], dtype=np.int64)
        season = np.array([row[1] for row in rows], dtype=np.int64)

        def column(name, default, dtype=np.float64):
            return np.asarray(columns.get(name, np.full(n, default)), dtype=dtype)

        appearances = Appearances(
            track=track,
            season_year=season,
            area_m2=np.array([row[2] for row in rows], dtype=np.float64),
            random_sigma_m2=column("random_sigma_m2", 30.0),
            coherent_sigma_m2=column("coherent_sigma_m2", 200.0),
            source=column("source", 0, np.int64),
            day=column("day", 0.0) if "day" in columns else np.array([day_of(y) for y in season]),
            day_sigma_d=column("day_sigma_d", 0.0),
            is_whole=column("is_whole", True, np.bool_),
        )
        steps = [(*link, 0.0, 0.0)[:7] for link in links]
        numbers = np.array([step[:2] for step in steps], dtype=np.int64).reshape(-1, 2)
        descent = Descent(
            earlier=numbers[:, 0],
            later=numbers[:, 1],
            overlap_m2=np.array([step[2] for step in steps], dtype=np.float64),
            is_merge=np.array([step[3] == "merge" for step in steps], dtype=bool),
            east_m=np.array([step[4] for step in steps], dtype=np.float64),
            north_m=np.array([step[5] for step in steps], dtype=np.float64),
        )
        n_tracks = int(track.max(initial=-1)) + 1
        is_initiated = np.zeros(n_tracks, dtype=bool)
        is_initiated[list(initiated)] = True
        lineages = np.zeros(n_tracks, dtype=np.int64) if lineage is None else np.asarray(lineage)
        return history_of(lineages, is_initiated, appearances, descent)


@pytest.fixture(scope="session")
def history():
    return Histories()
