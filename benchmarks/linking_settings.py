"""What linking is judged on: the settings of simulated histories, and their seeds.

Written down before anything was tuned. `TRAINING_SEEDS` and `TRAINING` may be looked at while
linking is worked on; `HELD_OUT_SEEDS` make the published figures and nothing else. The effects
are those of the study on corrupted hand-digitised outlines: scenes off by a fixed length each in
a direction of its own, 8 % of slumps missed on a scene and 8 % drawn in pieces, 15 % of
neighbours nearer than 15 m merge, 5 % split, 5 % false positives, 3 % new a season, growth of 4 m
a year (lognormal, 0.7), boundary noise of 1.5 m, three scenes a season, five seasons.
"""

from __future__ import annotations

from rts_track.simulate.params import HistoryParams

TRAINING_SEEDS = (101, 102, 103, 104, 105)
HELD_OUT_SEEDS = (9201, 9202, 9203, 9204, 9205)

_STUDY = HistoryParams(
    n_slumps=300,
    n_seasons=5,
    scene_missing_frac=0.0,
    scene_overlap_frac=0.0,
    reactivated_frac=0.0,
    reinitiated_frac=0.0,
)


def _study(**changes: float) -> HistoryParams:
    return HistoryParams(**{**_STUDY.as_dict(), **changes})


SETTINGS: dict[str, HistoryParams] = {
    "shift 3 m": _study(shift_m=3.0),
    "shift 6 m": _study(shift_m=6.0),
    "shift 10 m": _study(shift_m=10.0),
    "dropout 20 %, shift 3 m": _study(shift_m=3.0, missed_frac=0.20),
    "dropout 20 %, shift 6 m": _study(shift_m=6.0, missed_frac=0.20),
    "growth 15 m/yr, shift 3 m": _study(shift_m=3.0, growth_median_m_yr=15.0),
    "growth 15 m/yr, shift 6 m": _study(shift_m=6.0, growth_median_m_yr=15.0),
    "growth 15 m/yr, common aspect, shift 6 m": _study(
        shift_m=6.0, growth_median_m_yr=15.0, azimuth_kappa=4.0
    ),
    "migration 0.5, shift 3 m": _study(shift_m=3.0, migration_frac=0.5),
    "migration 0.5, shift 6 m": _study(shift_m=6.0, migration_frac=0.5),
    "missing and overlapping scenes, polycyclic, shift 6 m": HistoryParams(
        n_slumps=300, n_seasons=8, shift_m=6.0, reactivated_frac=0.15, reinitiated_frac=0.10
    ),
}
"""Judged with `HELD_OUT_SEEDS`, with simulated and (where they are at hand) real base outlines."""

ACTIVE_ZONE = ("migration 0.5, shift 3 m", "migration 0.5, shift 6 m")
"""Settings whose source maps active zones; the others map landforms."""

TRAINING: dict[str, HistoryParams] = {
    "fit 1": HistoryParams(n_slumps=300, n_seasons=7, shift_m=2.0, missed_frac=0.05),
    "fit 2": HistoryParams(n_slumps=300, n_seasons=7, shift_m=5.0, missed_frac=0.12),
    "fit 3": HistoryParams(
        n_slumps=300,
        n_seasons=7,
        shift_m=8.0,
        missed_frac=0.15,
        fragmented_frac=0.12,
        growth_median_m_yr=8.0,
        scene_overlap_frac=0.0,
        scene_missing_frac=0.0,
    ),
    "fit 4": HistoryParams(
        n_slumps=300,
        n_seasons=7,
        shift_m=4.0,
        merge_frac=0.25,
        split_frac=0.08,
        false_positive_frac=0.10,
        reactivated_frac=0.2,
        reinitiated_frac=0.2,
    ),
    "fit 5": HistoryParams(n_slumps=300, n_seasons=7, shift_m=5.0, missed_frac=0.30),
    "fit 6": HistoryParams(n_slumps=300, n_seasons=7, shift_m=5.0, missed_frac=0.50),
}
"""Confidences are fitted on these alone, with `TRAINING_SEEDS`; none of them is in `SETTINGS`.

The last two were added later, so that it shows what a source's recall tells.
"""
