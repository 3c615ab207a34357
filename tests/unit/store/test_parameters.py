"""`$name` becomes `%(name)s` where SQL would see a parameter, and nowhere else."""

from __future__ import annotations

import pytest

from rts_track.errors import StoreError
from rts_track.store.parameters import check_parameters, parameter_names, to_percent_style


@pytest.mark.parametrize(
    ("portable", "percent"),
    [
        ("select $a, $b_2 + $a", "select %(a)s, %(b_2)s + %(a)s"),
        ("select '$a', \"$a\", $a", "select '$a', \"$a\", %(a)s"),
        ("select 'it''s $a' || $a", "select 'it''s $a' || %(a)s"),
        (r"select E'it\'s $a' || $a", r"select E'it\'s $a' || %(a)s"),
        ("select $$ $a ' $$, $a", "select $$ $a ' $$, %(a)s"),
        ("select $t$ $a $$ $t$, $a", "select $t$ $a $$ $t$, %(a)s"),
        ("-- params: $a\nselect $a", "-- params: $a\nselect %(a)s"),
        ("/* $a\n ' */ select $a", "/* $a\n ' */ select %(a)s"),
        ("select 5 % $a, '%s' like '%'", "select 5 %% %(a)s, '%%s' like '%%'"),
        ("select a$b from t", "select a$b from t"),
        ("where x>=$a)and y", "where x>=%(a)s)and y"),
        ("select $1", "select $1"),
    ],
)
def test_only_a_parameter_becomes_a_parameter(portable: str, percent: str):
    assert to_percent_style(portable) == percent


def test_names_in_literals_and_comments_are_no_parameters():
    assert parameter_names("select '$a', $b -- $c\n, $d /* $e */") == {"b", "d"}


def test_parameters_too_few_or_too_many_are_told_by_name():
    check_parameters("select $a", {"a"})
    with pytest.raises(StoreError, match=r"needs a value for \$a"):
        check_parameters("select $a", {})
    with pytest.raises(StoreError, match=r"has no parameter \$b"):
        check_parameters("select $a", {"a", "b"})
