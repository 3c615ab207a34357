"""What connects things into one."""

from rts_track.track.truth import components


def test_things_that_pairs_connect_are_of_one_component():
    number = components("abcde", [("a", "c"), ("c", "e")])
    assert number["a"] == number["c"] == number["e"]
    assert len(set(number.values())) == 3


def test_a_thing_named_twice_or_paired_with_itself_is_one_thing():
    assert components(["a", "b", "a"], [("a", "a")]) == {"a": 0, "b": 1}


def test_nothing_has_no_components():
    assert components([], []) == {}
