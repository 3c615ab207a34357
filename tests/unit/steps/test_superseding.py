"""Which footprints give way to those that come again."""

from __future__ import annotations

import uuid

import pyarrow as pa

from rts_track.steps.superseding import FORMER_COLUMNS, Superseding, id_bytes

HERE, NEARBY, ELSEWHERE = (-135.0, 69.0), (-135.0, 69.002), (-134.0, 69.0)


def footprint(number: int) -> str:
    return str(uuid.UUID(int=number))


def table(*rows: tuple[int, str, int, tuple[float, float]]) -> pa.Table:
    columns = [
        [footprint(row[0]) for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3][0] for row in rows],
        [row[3][1] for row in rows],
    ]
    return pa.table(dict(zip(FORMER_COLUMNS, columns, strict=True)))


def superseded(incoming: pa.Table, stored: pa.Table) -> list[str]:
    ids = {id_bytes(one) for one in incoming["footprint_id"].to_pylist()}
    seasons = {"slumps": set(incoming["season_year"].to_pylist())}
    superseding = Superseding(ids, seasons)
    superseding.compare("slumps", incoming, stored)
    return superseding.superseded()


def test_a_footprint_that_comes_again_stays() -> None:
    row = (1, "slumps:1", 2019, HERE)

    assert superseded(table(row), table(row)) == []


def test_an_edited_outline_supersedes_its_former_self() -> None:
    incoming = table((1, "slumps:1", 2019, HERE), (3, "slumps:2", 2019, HERE))
    stored = table((1, "slumps:1", 2019, HERE), (2, "slumps:2", 2019, ELSEWHERE))

    assert superseded(incoming, stored) == [footprint(2)]


def test_a_corrected_season_supersedes_too() -> None:
    incoming = table((1, "slumps:1", 2019, HERE), (3, "slumps:2", 2020, HERE))
    stored = table((1, "slumps:1", 2019, HERE), (2, "slumps:2", 2019, HERE))

    assert superseded(incoming, stored) == [footprint(2)]


def test_rows_that_moved_up_are_not_superseded_by_their_neighbours() -> None:
    incoming = table((2, "slumps:1", 2019, HERE), (3, "slumps:2", 2019, NEARBY))
    stored = table((1, "slumps:1", 2019, ELSEWHERE), (2, "slumps:2", 2019, HERE))

    assert superseded(incoming, stored) == [footprint(1)]


def test_a_file_in_which_every_outline_was_edited_is_known_by_place_and_season() -> None:
    incoming = table((3, "slumps:1", 2019, NEARBY))

    assert superseded(incoming, table((1, "slumps:1", 2019, HERE))) == [footprint(1)]


def test_next_years_file_of_the_same_name_supersedes_nothing() -> None:
    incoming = table((3, "slumps:1", 2020, HERE))

    assert superseded(incoming, table((1, "slumps:1", 2019, HERE))) == []


def test_another_sites_file_of_the_same_name_supersedes_nothing() -> None:
    incoming = table((3, "slumps:1", 2019, ELSEWHERE))

    assert superseded(incoming, table((1, "slumps:1", 2019, HERE))) == []


def test_nothing_stored_means_nothing_superseded() -> None:
    assert superseded(table((1, "slumps:1", 2019, HERE)), table()) == []
