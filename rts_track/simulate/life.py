"""What becomes of slumps from season to season: they begin, grow, merge, split and stabilise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from rts_track.simulate.meeting import Slump, merge, neighbours_by_chance, set_apart
from rts_track.simulate.place import FRESH, GROWN, Placed, place
from rts_track.simulate.region import shores
from rts_track.simulate.shape import cut, grow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.region import Shore

TurnKind = Literal["initiate", "merge", "split", "stabilise"]

_SPLIT_GAP_M = (3.0, 8.0)
_SPLIT_MIN_FRAC = 0.2
_SPLIT_MIN_M2 = 800.0
_SPLIT_AT_FRAC = (0.35, 0.65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What happened to a slump between a season and the one before.

    `related_object_id`: merge: the slump that goes on, the one that was larger; split: the
    parent, which goes on as the larger piece.
    """

    kind: TurnKind
    object_id: str
    related_object_id: str | None
    season_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Every season's living slumps by object id, and all turns in the order of their seasons."""

    slumps: dict[int, dict[str, Slump]]
    turns: tuple[Turn, ...]


def live(rng: Generator, params: HistoryParams) -> Lives:
    """The true lives of all slumps through all seasons."""
    ground = shores(rng, params)
    first = place(rng, params, ground, [], params.n_slumps, GROWN)
    living = _born(rng, params, first, n_before=0)
    slumps, turns = {params.first_year: living}, list[Turn]()
    n_known = len(living)
    for season_year in params.season_years[1:]:
        living, happened = _next_season(rng, params, ground, living, n_known, season_year)
        slumps[season_year] = living
        turns += happened
        n_known += sum(turn.kind in ("initiate", "split") for turn in happened)
    return Lives(slumps=slumps, turns=tuple(turns))


def _next_season(
    rng: Generator,
    params: HistoryParams,
    ground: list[Shore],
    living: dict[str, Slump],
    n_known: int,
    season_year: int,
) -> tuple[dict[str, Slump], list[Turn]]:
    chance, growth, division, birth = rng.spawn(4)
    stopped, going = _stabilised(chance, params, living)
    grown = _grown(growth, params, going)
    area_before_m2 = {slump.object_id: float(shapely.area(slump.polygon)) for slump in going}
    pairs = neighbours_by_chance(chance, params, going)
    merged, absorbed = merge(grown, pairs, area_before_m2)
    survivors = {into for _, into in absorbed}
    whole = [slump for slump in merged if slump.object_id not in survivors]
    families = _split(division, params, whole, n_known)
    standing = {slump.object_id: slump for slump in merged}
    standing |= {slump.object_id: slump for family in families for slump in family}
    apart = set_apart(list(standing.values()))
    n_new = int(birth.poisson(params.initiated_frac * len(living)))
    fresh = place(birth, params, ground, [slump.polygon for slump in apart], n_new, FRESH)
    begun = _born(birth, params, fresh, n_before=n_known + len(families))
    split = [(child.object_id, parent.object_id) for parent, child in families]
    turns = [
        *_turns("stabilise", [(each, None) for each in stopped], season_year),
        *_turns("merge", absorbed, season_year),
        *_turns("split", split, season_year),
        *_turns("initiate", [(each, None) for each in begun], season_year),
    ]
    return {slump.object_id: slump for slump in apart} | begun, turns


def _turns(
    kind: TurnKind, who: Sequence[tuple[str, str | None]], season_year: int
) -> Iterator[Turn]:
    """A turn for each slump and the one it is related to."""
    for object_id, related in who:
        yield Turn(
            kind=kind, object_id=object_id, related_object_id=related, season_year=season_year
        )


def _born(
    rng: Generator, params: HistoryParams, placed: list[Placed], *, n_before: int
) -> dict[str, Slump]:
    """New slumps with ids that follow the `n_before` known ones."""
    growth = params.growth_median_m_yr * np.exp(
        rng.normal(0.0, params.growth_log_sigma, len(placed))
    )
    born = [
        Slump(
            object_id=_object_id(n_before + number),
            polygon=each.polygon,
            heading=each.heading,
            growth_m_yr=float(growth[number]),
        )
        for number, each in enumerate(placed)
    ]
    return {slump.object_id: slump for slump in born}


def _object_id(number: int) -> str:
    return f"slump-{number + 1:05d}"


def _stabilised(
    rng: Generator, params: HistoryParams, living: dict[str, Slump]
) -> tuple[list[str], list[Slump]]:
    """The ids of slumps that stop, and the slumps that go on."""
    stops = rng.random(len(living)) < params.stabilised_frac
    stopped = [each for each, stop in zip(living, stops, strict=True) if stop]
    return stopped, [living[each] for each in living if each not in set(stopped)]


def _grown(rng: Generator, params: HistoryParams, slumps: list[Slump]) -> list[Slump]:
    weather = np.exp(rng.normal(0.0, params.growth_season_log_sigma, len(slumps)))
    return [
        replace(
            slump,
            polygon=grow(
                slump.polygon, slump.heading, slump.growth_m_yr * factor, params.side_growth_frac
            ),
        )
        for slump, factor in zip(slumps, weather, strict=True)
    ]


def _split(
    rng: Generator, params: HistoryParams, slumps: list[Slump], n_known: int
) -> list[tuple[Slump, Slump]]:
    """Parent, which goes on as the larger piece, and child, of every slump that comes apart."""
    comes_apart = rng.random(len(slumps)) < params.split_frac
    families = list[tuple[Slump, Slump]]()
    for slump in (slump for slump, apart in zip(slumps, comes_apart, strict=True) if apart):
        gap_m = rng.uniform(*_SPLIT_GAP_M)
        pieces = cut(slump.polygon, _through(rng, slump), slump.heading, gap_m)
        area_m2 = [float(shapely.area(piece)) for piece in pieces]
        needed_m2 = max(_SPLIT_MIN_M2, _SPLIT_MIN_FRAC * sum(area_m2))
        if len(pieces) != 2 or area_m2[1] < needed_m2:
            continue
        child_id = _object_id(n_known + len(families))
        families.append(
            (
                replace(slump, polygon=pieces[0], kin=slump.kin | {child_id}),
                replace(
                    slump,
                    object_id=child_id,
                    polygon=pieces[1],
                    kin=slump.kin | {slump.object_id},
                ),
            )
        )
    return families


def _through(rng: Generator, slump: Slump) -> NDArray[np.float64]:
    """A point somewhere about the middle of the slump's width."""
    right = np.array([slump.heading[1], -slump.heading[0]])
    across = shapely.get_coordinates(slump.polygon) @ right
    middle = shapely.get_coordinates(shapely.centroid(slump.polygon))[0]
    at = across.min() + rng.uniform(*_SPLIT_AT_FRAC) * (across.max() - across.min())
    return np.asarray(middle + (at - middle @ right) * right)
