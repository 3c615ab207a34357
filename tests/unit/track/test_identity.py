"""Ids are minted once and then looked up."""

from rts_track.track.identity import Claim, flattened, identify, join_lineages


def claim(season, track, chain, outline="o"):
    return Claim(
        is_fragment=False,
        season_year=season,
        outline_id=f"{outline}{season}",
        track_id=track,
        chain=chain,
    )


def test_a_whole_slumps_claim_comes_before_a_fragments():
    claims = [claim(2019, "T", 0), claim(2018, "F", 0)._replace(is_fragment=True)]
    names = identify([None], ["f0"], claims, set(), {})
    assert names.track_of_chain == ("T",)
    assert names.alias == {"F": "T"}


def test_a_chain_that_carries_on_keeps_its_track():
    names = identify(["T", None], ["", "f1"], [], {"T"}, {})
    assert names.track_of_chain[0] == "T"
    assert names.track_of_chain[1] != "T"


def test_a_new_chain_takes_up_the_track_its_outline_had():
    names = identify([None], ["f"], [claim(2019, "T", 0)], set(), {})
    assert names.track_of_chain == ("T",)


def test_a_track_torn_in_two_stays_with_its_earlier_part():
    claims = [claim(2020, "T", 1), claim(2018, "T", 0)]
    names = identify([None, None], ["f", "g"], claims, set(), {})
    assert names.track_of_chain[0] == "T"
    assert names.track_of_chain[1] not in ("T", None)
    assert names.alias == {}


def test_tracks_that_turn_out_to_be_one_are_known_by_the_older():
    claims = [claim(2020, "young", 0), claim(2018, "old", 0)]
    names = identify([None], ["f"], claims, set(), {})
    assert names.track_of_chain == ("old",)
    assert names.alias == {"young": "old"}


def test_no_chain_takes_a_track_of_an_untouched_season():
    names = identify([None], ["f"], [claim(2020, "T", 0)], {"T"}, {})
    assert names.track_of_chain[0] != "T"


def test_a_retired_id_is_never_minted_again():
    (first,) = identify([None], ["f"], [], set(), {}).track_of_chain
    (second,) = identify([None], ["f"], [], set(), {first: None}).track_of_chain
    assert first != second


def test_the_order_of_claims_changes_nothing():
    claims = [claim(2019, "A", 0), claim(2019, "A", 1, "p"), claim(2020, "B", 0)]
    forward = identify([None, None], ["f", "g"], claims, set(), {})
    backward = identify([None, None], ["f", "g"], claims[::-1], set(), {})
    assert forward == backward


def test_aliases_point_at_ids_in_use():
    assert flattened({"a": "b", "b": "c", "d": None, "e": "d"}) == {
        "a": "c",
        "b": "c",
        "d": None,
        "e": None,
    }


def test_the_oldest_lineage_absorbs_its_relatives():
    lineage_of = {"t1": "L1", "t2": "L2", "t3": "L3"}
    age = {"L1": (2018, "L1"), "L2": (2016, "L2"), "L3": (2017, "L3")}
    joined = join_lineages(lineage_of, [("t1", "t2"), ("t3", "t1")], age)
    assert joined == {"t1": "L2", "t2": "L2", "t3": "L2"}
    assert joined == join_lineages(lineage_of, [("t3", "t1"), ("t1", "t2")], age)
