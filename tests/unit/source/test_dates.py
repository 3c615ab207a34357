"""When a footprint was seen, out of all the ways in which files say it."""

from __future__ import annotations

import datetime as dt

import pytest

from rts_track.source.dates import Period, day_in_name, period_of, period_of_images, season_of, seen


def day(text: str) -> Period:
    on = dt.date.fromisoformat(text)
    return Period(from_on=on, to_on=on)


def days(one: str, other: str) -> Period:
    return Period(from_on=dt.date.fromisoformat(one), to_on=dt.date.fromisoformat(other))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (dt.date(2020, 7, 22), day("2020-07-22")),
        (dt.datetime(2020, 7, 22, 23, 30), day("2020-07-22")),  # noqa: DTZ001
        (
            dt.datetime(2020, 7, 22, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-8))),
            day("2020-07-23"),
        ),
        ("2020-07-22", day("2020-07-22")),
        (" 2020-7-2 ", day("2020-07-02")),
        ("2020/07/22", day("2020-07-22")),
        ("20200722", day("2020-07-22")),
        (20200722, day("2020-07-22")),
        (20200722.0, day("2020-07-22")),
        ("2020-07-22T08:14:37Z", day("2020-07-22")),
        ("20200722T081437", day("2020-07-22")),
        ("2020-07", days("2020-07-01", "2020-07-31")),
        ("2022-05-01,2022-9-30", days("2022-05-01", "2022-09-30")),
        ("2020-07-05/2020-08-20", days("2020-07-05", "2020-08-20")),
        ("2020-07-05 .. 2020-08-20", days("2020-07-05", "2020-08-20")),
        ("2020-07-05 to 2020-08-20", days("2020-07-05", "2020-08-20")),
        ("2020-06 - 2020-08", days("2020-06-01", "2020-08-31")),
        (None, None),
        ("  ", None),
    ],
)
def test_a_date_is_read_however_it_is_written(written: object, meant: Period | None) -> None:
    assert period_of(written) == meant


@pytest.mark.parametrize(
    "written", ["202-00-722", "2020", "2020-13-01", "July", "2020-02-30", "2020722", "1,2,3", ","]
)
def test_what_is_no_date_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        period_of(written)


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        period_of("2020-08-20,2020-07-05")


@pytest.mark.parametrize(
    ("written", "year"),
    [
        (2019, 2019),
        (2019.0, 2019),
        ("2019", 2019),
        (" 2019.0 ", 2019),
        (None, None),
        ("", None),
        (dt.date(2019, 8, 1), 2019),
    ],
)
def test_a_season_is_a_year_in_whatever_type(written: object, year: int | None) -> None:
    assert season_of(written) == year


@pytest.mark.parametrize("written", [2019.5, "summer", "2019-08", True])
def test_what_is_no_year_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is no year"):
        season_of(written)


def test_a_season_alone_stands_for_its_thaw_season() -> None:
    when = seen(2019, None)

    assert (when.from_on, when.to_on) == (dt.date(2019, 6, 15), dt.date(2019, 9, 15))
    assert when.basis == "season"


def test_a_day_alone_gives_the_season() -> None:
    when = seen(None, day("2019-08-01"))

    assert (when.season_year, when.basis) == (2019, "exact")


def test_a_range_stays_a_range() -> None:
    when = seen(2019, days("2019-07-01", "2019-08-01"))

    assert (str(when.from_on), str(when.to_on), when.basis) == ("2019-07-01", "2019-08-01", "range")


def test_a_range_over_years_needs_a_season() -> None:
    assert seen(2018, days("2017-08-01", "2018-08-01")).season_year == 2018
    with pytest.raises(ValueError, match="lie in several seasons and none is named"):
        seen(None, days("2017-08-01", "2018-08-01"))


@pytest.mark.parametrize(
    ("season", "period", "reason"),
    [
        (None, None, "neither season nor date"),
        (1899, None, "season 1899 outside 1900-2100"),
        (2101, None, "season 2101 outside 1900-2100"),
        (2019, day("2018-08-01"), "date 2018-08-01 contradicts season 2019"),
        (None, day("0020-08-01"), "season 20 outside 1900-2100"),
    ],
)
def test_seasons_that_cannot_be_are_refused(
    season: int | None, period: Period | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        seen(season, period)


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("20200722_081437_1032", "2020-07-22"),
        ("3649691_4572917_2020-08-14_1039", "2020-08-14"),
        ("20110724_035633_5473015_RapidEye-5", "2011-07-24"),
        ("DIM_SPOT7_PMS_201608030226340_ORT_5697230101", "2016-08-03"),
        ("20200820_060640_89_105c", "2020-08-20"),
    ],
)
def test_images_carry_their_day_in_their_name(name: str, on: str) -> None:
    assert day_in_name(name) == dt.date.fromisoformat(on)


@pytest.mark.parametrize("name", ["201508", "4706735_2011231_x", "image", "20201399_1", ""])
def test_a_name_without_a_day_tells_none(name: str) -> None:
    assert day_in_name(name) is None


def test_a_mosaic_lasts_from_its_first_image_to_its_last() -> None:
    images = "20190630_021739_1011, 20190706_021956_1035, 201907"

    assert period_of_images(images) == days("2019-06-30", "2019-07-06")
    assert period_of_images(None) is None


def test_a_period_holds_the_days_in_it() -> None:
    assert day("2019-07-01") in days("2019-06-30", "2019-07-06")
    assert day("2019-07-07") not in days("2019-06-30", "2019-07-06")
    assert "2019-07-01" not in days("2019-06-30", "2019-07-06")
    assert str(days("2019-06-30", "2019-07-06")) == "2019-06-30..2019-07-06"
