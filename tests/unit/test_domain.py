"""Ids are those of RFC 9562, however they are minted."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from rts_track.domain import NAMESPACE, mint, mint_each


@given(st.lists(st.one_of(st.text(), st.integers(), st.none()), min_size=1, max_size=4))
def test_a_minted_id_is_the_uuid5_of_its_parts(parts):
    name = "|".join("" if part is None else str(part) for part in parts)
    assert mint(*parts) == str(uuid.uuid5(NAMESPACE, name))


@given(st.lists(st.text(), max_size=5))
def test_many_ids_are_minted_as_one_is(names):
    assert mint_each(names, "outline", None, 2020) == [
        mint("outline", None, 2020, name) for name in names
    ]


def test_ids_that_were_minted_before_stay_as_they_are():
    assert mint("track", "footprint") == "e0005528-c919-5fde-b586-29b3f64a26b0"
    assert mint("track", None) == str(uuid.uuid5(NAMESPACE, "track|"))
