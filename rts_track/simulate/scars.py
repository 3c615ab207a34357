"""Slumps that have stabilised: some go on, and in some a new slump begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rts_track.simulate.meeting import is_overrun
from rts_track.simulate.place import place_inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

    from rts_track.simulate.life import Turn
    from rts_track.simulate.meeting import Slump
    from rts_track.simulate.params import HistoryParams
    from rts_track.simulate.place import Placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Scar:
    """A slump as it was when it stabilised, and the first season in which it was still.

    `is_left`: it may go on, or hold a new slump; not once one began in it or others grew over it.
    """

    slump: Slump
    season_year: int
    is_left: bool = True


def left_alone(scars: dict[str, Scar], standing: list[Slump]) -> dict[str, Scar]:
    """The scars, those that the standing slumps grew over not left any more."""
    overrun = is_overrun([scar.slump for scar in scars.values()], standing)
    return {
        object_id: replace(scar, is_left=scar.is_left and not over)
        for (object_id, scar), over in zip(scars.items(), overrun.tolist(), strict=True)
    }


def reactivated(rng: Generator, params: HistoryParams, scars: dict[str, Scar]) -> list[Slump]:
    """The slumps that go on, as they were when they stopped."""
    goes_on = rng.random(len(scars)) < params.reactivated_frac
    return [
        scar.slump
        for scar, goes in zip(scars.values(), goes_on, strict=True)
        if goes and scar.is_left
    ]


def reinitiated(
    rng: Generator,
    params: HistoryParams,
    scars: dict[str, Scar],
    standing: list[Slump],
    back: list[Slump],
    season_year: int,
) -> dict[str, Placed]:
    """New slumps, by the object ids of the scars that they begin in."""
    going = {slump.object_id for slump in back}
    begins = rng.random(len(scars)) < params.reinitiated_frac
    taken = [slump.polygon for slump in standing]
    inside: dict[str, Placed] = {}
    for scar, begin in zip(scars.values(), begins, strict=True):
        is_still = season_year - scar.season_year >= params.stabilise_seasons
        if begin and scar.is_left and is_still and scar.slump.object_id not in going:
            placed = place_inside(rng, scar.slump.polygon, scar.slump.heading, taken)
            if placed is not None:
                inside[scar.slump.object_id] = placed
    return inside


def scars_after(
    scars: dict[str, Scar], turns: Iterable[Turn], living_before: dict[str, Slump]
) -> dict[str, Scar]:
    """The scars once what happened in the season has happened to them."""
    after = dict(scars)
    for turn in turns:
        if turn.kind == "stabilise":
            after[turn.object_id] = Scar(
                slump=living_before[turn.object_id], season_year=turn.season_year
            )
        if turn.kind == "reactivate":
            del after[turn.object_id]
        if turn.kind == "reinitiate" and turn.related_object_id is not None:
            used = after[turn.related_object_id]
            after[turn.related_object_id] = replace(used, is_left=False)
    return after
