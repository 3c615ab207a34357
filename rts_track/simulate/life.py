"""What becomes of slumps from season to season: they begin, grow, merge, split and stabilise.

What has stabilised is a scar; it may go on, or a new slump may begin in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from rts_track.simulate.meeting import Slump, merge, neighbours_by_chance, set_apart
from rts_track.simulate.place import FRESH, GROWN, Placed, place
from rts_track.simulate.region import shores
from rts_track.simulate.scars import Scar, left_alone, reactivated, reinitiated, scars_after
from rts_track.simulate.shape import cut, grow, move

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.region import Shore

TurnKind = Literal["initiate", "merge", "split", "stabilise", "reactivate", "reinitiate"]

_SPLIT_MIN_FRAC = 0.2
_SPLIT_MIN_M2 = 800.0
_SPLIT_AT_FRAC = (0.35, 0.65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What happened to a slump between a season and the one before.

    `related_object_id`: merge: the slump that goes on, the one that was larger; split: the
    parent, which goes on as the larger piece; reinitiate: the scar in which it began.
    """

    kind: TurnKind
    object_id: str
    related_object_id: str | None
    season_year: int


@dataclass(frozen=True, kw_only=True)
class Lives:
    """Every season's living slumps by object id, and all turns in the order of their seasons."""

    slumps: dict[int, dict[str, Slump]]
    turns: tuple[Turn, ...]

    def turns_of(self, object_id: str, kind: TurnKind) -> list[Turn]:
        """The slump's own turns of that kind, by season."""
        return [turn for turn in self._by_slump.get(object_id, []) if turn.kind == kind]

    @cached_property
    def _by_slump(self) -> dict[str, list[Turn]]:
        by_slump: dict[str, list[Turn]] = {}
        for turn in self.turns:
            by_slump.setdefault(turn.object_id, []).append(turn)
        return by_slump


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A season's living slumps and scars by object id, and how many slumps there ever were."""

    living: dict[str, Slump]
    scars: dict[str, Scar]
    n_known: int


def live(
    rng: Generator,
    params: HistoryParams,
    base: list[shapely.Polygon] | None = None,
    coast: list[Shore] | None = None,
) -> Lives:
    """The true lives of all slumps through all seasons.

    In the first season they are those outlines, in the area's plane; by default simulated ones.
    They begin on that coast; by default on simulated shores.
    """
    coast = coast or shores(rng, params)
    if base is None:
        first = place(rng, params, coast, [], params.n_slumps, GROWN)
    else:
        first = [Placed(polygon=each, heading=_heading(rng, params)) for each in base]
    living = _apart(params, _born(rng, params, first, n_before=0))
    ground = Ground(living=living, scars={}, n_known=len(first))
    slumps, turns = {params.first_year: living}, list[Turn]()
    for season_year in params.season_years[1:]:
        ground, happened = _next_season(rng, params, coast, ground, season_year)
        slumps[season_year] = ground.living
        turns += happened
    return Lives(slumps=slumps, turns=tuple(turns))


def _heading(rng: Generator, params: HistoryParams) -> NDArray[np.float64]:
    """A unit vector upslope, about the preferred way."""
    azimuth = rng.vonmises(np.radians(params.preferred_azimuth_deg), params.azimuth_kappa)
    return np.array([np.sin(azimuth), np.cos(azimuth)])


def _apart(params: HistoryParams, slumps: dict[str, Slump]) -> dict[str, Slump]:
    """The slumps, none on another; what is left of too little is none."""
    return {
        slump.object_id: slump
        for slump in set_apart(list(slumps.values()))
        if shapely.area(slump.polygon) >= params.min_area_m2
    }


def _next_season(
    rng: Generator, params: HistoryParams, coast: list[Shore], before: Ground, season_year: int
) -> tuple[Ground, list[Turn]]:
    chance, growth, division, birth, return_ = rng.spawn(5)
    stopped, going = _stabilised(chance, params, before.living)
    grown = _grown(growth, params, going)
    area_before_m2 = {slump.object_id: float(shapely.area(slump.polygon)) for slump in going}
    pairs = neighbours_by_chance(chance, params, going)
    merged, absorbed = merge(grown, pairs, area_before_m2)
    survivors = {into for _, into in absorbed}
    whole = [slump for slump in merged if slump.object_id not in survivors]
    families = _split(division, params, whole, before.n_known)
    standing = {slump.object_id: slump for slump in merged}
    standing |= {slump.object_id: slump for family in families for slump in family}
    scars = left_alone(before.scars, list(standing.values()))
    back = _grown(return_, params, reactivated(return_, params, scars))
    apart = set_apart([*standing.values(), *back])
    n_known = before.n_known + len(families)
    inside = reinitiated(return_, params, scars, apart, back, season_year)
    again = _born(return_, params, list(inside.values()), n_before=n_known)
    taken = [slump.polygon for slump in (*apart, *again.values())]
    taken += [scar.slump.polygon for scar in scars.values()]
    taken += [before.living[each].polygon for each in stopped]
    n_new = int(birth.poisson(params.initiated_frac * len(before.living)))
    fresh = place(birth, params, coast, taken, n_new, FRESH)
    begun = _born(birth, params, fresh, n_before=n_known + len(again))
    split = [(child.object_id, parent.object_id) for parent, child in families]
    turns = [
        *_turns("stabilise", [(each, None) for each in stopped], season_year),
        *_turns("merge", absorbed, season_year),
        *_turns("split", split, season_year),
        *_turns("reactivate", [(slump.object_id, None) for slump in back], season_year),
        *_turns("reinitiate", list(zip(again, inside, strict=True)), season_year),
        *_turns("initiate", [(each, None) for each in begun], season_year),
    ]
    after = Ground(
        living={slump.object_id: slump for slump in apart} | again | begun,
        scars=scars_after(scars, turns, before.living),
        n_known=n_known + len(again) + len(begun),
    )
    return after, turns


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
    """The slumps a season later: grown, and moved upslope if they migrate."""
    weather = np.exp(rng.normal(0.0, params.growth_season_log_sigma, len(slumps)))
    return [
        replace(
            slump,
            polygon=grow(
                _migrated(slump, params.migration_frac),
                slump.heading,
                slump.growth_m_yr * factor,
                params.side_growth_frac,
            ),
        )
        for slump, factor in zip(slumps, weather, strict=True)
    ]


def _migrated(slump: Slump, by_frac: float) -> shapely.Polygon:
    size_m = float(np.sqrt(shapely.area(slump.polygon)))
    return move(slump.polygon, by_frac * size_m * slump.heading)


def _split(
    rng: Generator, params: HistoryParams, slumps: list[Slump], n_known: int
) -> list[tuple[Slump, Slump]]:
    """Parent, which goes on as the larger piece, and child, of every slump that comes apart."""
    comes_apart = rng.random(len(slumps)) < params.split_frac
    families = list[tuple[Slump, Slump]]()
    for slump in (slump for slump, apart in zip(slumps, comes_apart, strict=True) if apart):
        gap_m = rng.uniform(*params.split_gap_m)
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
