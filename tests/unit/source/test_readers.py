"""What readers understand of rows and files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rts_track.errors import InputError, UsageError
from rts_track.source import arts, barth2023, nitze_labels
from rts_track.source.darts import darts_inventories, level_of, preferred
from rts_track.source.fields import Fields, describe_by, vector_inventories
from rts_track.source.inventory import LeftOut
from rts_track.source.readers import READERS, reader_for
from rts_track.source.request import ImportRequest
from rts_track.source.vector import VectorFile, open_vector


def file_of(*fields: str, name: str = "slumps.gpkg") -> VectorFile:
    return VectorFile(path=Path(name), layer=None, crs="EPSG:4326", fields=fields, n_features=1)


def test_an_unknown_reader_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match="expected one of vector, barth2023, nitze-labels, darts, arts"
    ):
        reader_for(ImportRequest(reader="shapefile"))


@pytest.mark.parametrize("name", ["barth2023", "nitze-labels"])
def test_a_preset_that_knows_its_fields_will_not_be_told_others(name: str) -> None:
    assert reader_for(ImportRequest(reader=name)) is READERS[name]
    with pytest.raises(UsageError, match="leave out --season-field, --id-field"):
        reader_for(ImportRequest(reader=name, season_field="year", id_field="id"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "scar"}, "expected landform or active_zone"),
        ({"mapper": "robot"}, "expected model or person"),
        ({"gsd_m": 0.0}, "--gsd 0.0: expected metres, above 0"),
        ({"delineation_sigma_m": float("nan")}, "--delineation-sigma nan: expected metres"),
        ({"source": " "}, "needs a name"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: str) -> None:
    ImportRequest().check()
    with pytest.raises(UsageError, match=reason):
        ImportRequest(**changes).check()


class TestVector:
    def test_fields_are_understood_as_named(self) -> None:
        fields = Fields(season="year", date="seen", scene="image", gsd="res")
        row = {"year": 2019, "seen": "2019-07-01", "image": " S2A ", "res": "10"}

        described = describe_by(fields)(row, file_of())

        assert described.seen.from_on == dt.date(2019, 7, 1)
        assert (described.scene, described.gsd_m, described.notes) == ("S2A", 10.0, ())

    def test_a_date_that_is_none_is_left_out_where_the_season_is_known(self) -> None:
        described = describe_by(Fields(season="year", date="seen"))(
            {"year": 2019, "seen": "early July"}, file_of()
        )

        assert described.seen.basis == "season"
        assert described.notes == ("'early July' is no date: only the season is kept",)

    def test_a_date_that_is_none_is_a_fault_where_nothing_else_is_known(self) -> None:
        with pytest.raises(ValueError, match="is no date"):
            describe_by(Fields(date="seen"))({"seen": "early July"}, file_of())

    @pytest.mark.parametrize("written", [-3.0, 0, "three"])
    def test_a_pixel_size_that_is_none_is_unknown_and_told(self, written: object) -> None:
        described = describe_by(Fields(season="year", gsd="res"))(
            {"year": 2019, "res": written}, file_of()
        )

        assert described.gsd_m is None
        assert "taken as unknown" in described.notes[0]

    def test_an_empty_scene_or_pixel_size_is_none(self) -> None:
        described = describe_by(Fields(season="year", scene="image", gsd="res"))(
            {"year": 2019, "image": "", "res": None}, file_of()
        )

        assert (described.scene, described.gsd_m, described.notes) == (None, None, ())

    def test_without_season_and_date_the_files_fields_are_listed(self) -> None:
        with pytest.raises(UsageError, match=r"--season-field or --date-field; .* are id, jahr"):
            vector_inventories([file_of("id", "jahr")], ImportRequest())

    def test_one_file_names_its_source_several_need_a_name(self) -> None:
        request = ImportRequest(season_field="year")
        (one,) = vector_inventories([file_of("year")], request)

        assert (one.facts.source, one.facts.kind, one.facts.mapper) == (
            "slumps",
            "landform",
            "person",
        )
        with pytest.raises(UsageError, match="give their source a name with --source"):
            vector_inventories([file_of("year"), file_of("year")], request)

    def test_half_a_pixel_is_taken_for_how_well_outlines_are_drawn(self) -> None:
        (by_pixel,) = vector_inventories(
            [file_of("year")], ImportRequest(season_field="year", gsd_m=3.0)
        )
        (by_word,) = vector_inventories(
            [file_of("year")],
            ImportRequest(season_field="year", gsd_m=3.0, delineation_sigma_m=4.0),
        )

        assert by_pixel.facts.delineation_sigma_m == 1.5
        assert by_word.facts.delineation_sigma_m == 4.0


class TestBarth2023:
    ROW: ClassVar = {
        "id": 4,
        "year": 2019,
        "date_": dt.date(2019, 6, 30),
        "image_ids": "20190706_021956_1035, 20190630_021739_1011, 201907",
        "sp_res_m": 3.0,
    }
    FILE = file_of("id", "year", "date_", "image_ids", "sp_res_m", name="BL_RTS.shp")

    def test_a_mosaic_is_a_scene_named_by_its_first_image_and_dated_by_all(self) -> None:
        described = barth2023.describe(self.ROW, self.FILE)

        assert described.scene == "BL:20190630_021739_1011"
        assert (described.seen.from_on, described.seen.to_on) == (
            dt.date(2019, 6, 30),
            dt.date(2019, 7, 6),
        )
        assert (described.seen.basis, described.gsd_m, described.notes) == ("range", 3.0, ())

    def test_images_outweigh_a_date_that_is_none_of_theirs(self) -> None:
        row = {
            **self.ROW,
            "year": 2016,
            "date_": dt.date(2016, 8, 30),
            "image_ids": "DIM_SPOT7_PMS_201608030226340_ORT_5697230101",
        }

        described = barth2023.describe(row, self.FILE)

        assert described.seen.from_on == described.seen.to_on == dt.date(2016, 8, 3)
        assert described.notes == ("date_ 2016-08-30 is no day of its images: 2016-08-03 is used",)

    def test_without_images_the_date_counts(self) -> None:
        described = barth2023.describe({**self.ROW, "image_ids": None}, self.FILE)

        assert (described.seen.basis, described.scene) == ("exact", "BL:2019")

    def test_a_year_that_is_not_its_images_is_a_fault(self) -> None:
        with pytest.raises(ValueError, match="contradicts season 2018"):
            barth2023.describe({**self.ROW, "year": 2018}, self.FILE)

    def test_another_file_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"no field 'date_', so not of Barth et al\. 2023"):
            barth2023.barth2023_inventories([file_of("id", "year")], ImportRequest())


class TestNitzeLabels:
    IMAGES: ClassVar = [
        "20200722_081437_1032",
        "4688749_0470419_2021-07-12_105c",
        "4751_2021-08-01_1026",
        "4751_2021-08-01_1027",
    ]
    ROW: ClassVar = {
        "image_id": "20200722_081437_1032",
        "image_date": "2020-07-22",
        "label": 1,
        "id": 0,
        "datasource": "PSScene",
    }

    def described(self, **changes: object):
        return nitze_labels.describe_with(self.IMAGES)({**self.ROW, **changes}, file_of())

    @pytest.mark.parametrize("label", [1, 1.0, "1"])
    def test_a_label_is_a_footprint_on_its_image(self, label: object) -> None:
        described = self.described(label=label)

        assert described.scene == "20200722_081437_1032"
        assert described.seen.from_on == dt.date(2020, 7, 22)
        assert (described.gsd_m, described.notes) == (3.0, ())

    @pytest.mark.parametrize("label", [0, 0.0, "0"])
    def test_a_label_of_zero_is_no_footprint(self, label: object) -> None:
        with pytest.raises(LeftOut, match="label 0"):
            self.described(label=label)

    def test_no_label_is_a_slump_and_told(self) -> None:
        assert "no label" in self.described(label=None).notes[0]

    def test_a_name_that_lost_its_last_character_finds_its_image(self) -> None:
        described = self.described(
            image_id="4688749_0470419_2021-07-12_105",
            image_date="2021-07-12",
            datasource="PSOrthotile",
        )

        assert described.scene == "4688749_0470419_2021-07-12_105c"
        assert described.gsd_m == 3.125
        assert "was cut off" in described.notes[0]

    def test_a_name_that_might_be_two_images_stays_as_it_is(self) -> None:
        described = self.described(image_id="4751_2021-08-01_102", image_date="2021-08-01")

        assert (described.scene, described.notes) == ("4751_2021-08-01_102", ())

    def test_an_images_name_outweighs_a_wrong_date(self) -> None:
        broken = self.described(image_date="202-00-722")
        other = self.described(image_date="2019-07-22")

        assert broken.seen.from_on == other.seen.from_on == dt.date(2020, 7, 22)
        assert "202-00-722" in broken.notes[0]
        assert "2020-07-22 is used" in other.notes[0]

    def test_image_footprints_are_measured_looks_even_without_a_label(self, write_vector) -> None:
        images = [
            {
                "image_id": "20200722_081437_1032",
                "image_date": "202-00-722",
                "datasource": "PlanetScope Scene",
            },
            {
                "image_id": "4713120_2021-07-21_2463",
                "image_date": "2021-07-21",
                "datasource": "PlanetScope OrthoTile",
            },
        ]
        file = open_vector(write_vector("ImageFootprints.gpkg", images))

        (inventory,) = nitze_labels.nitze_labels_inventories([file], ImportRequest())

        assert [look.scene_id for look in inventory.looks] == [
            "nitze-labels:20200722_081437_1032",
            "nitze-labels:4713120_2021-07-21_2463",
        ]
        assert [look.basis for look in inventory.looks] == ["measured", "measured"]
        assert [look.from_on.year for look in inventory.looks] == [2020, 2021]
        assert [look.gsd_m for look in inventory.looks] == [3.0, 3.125]
        assert [fault[0] for fault in inventory.repaired] == ["ImageFootprints:1"]
        assert inventory.files == ()

    def test_an_image_whose_day_is_nowhere_is_skipped(self, write_vector) -> None:
        images = [{"image_id": "scene", "image_date": "202-00-722", "datasource": "PSScene"}]
        file = open_vector(write_vector("ImageFootprints.gpkg", images))

        (inventory,) = nitze_labels.nitze_labels_inventories([file], ImportRequest())

        assert inventory.looks == ()
        assert inventory.skipped == (("ImageFootprints:1", "'202-00-722' is no date"),)

    def test_an_image_with_two_footprints_is_refused(self, write_vector) -> None:
        image = {"image_id": "20200722_1", "image_date": "2020-07-22", "datasource": "PSScene"}
        file = open_vector(write_vector("ImageFootprints.gpkg", [image, image]))

        with pytest.raises(UsageError, match="two footprints"):
            nitze_labels.nitze_labels_inventories([file], ImportRequest())

    def test_another_file_is_refused(self) -> None:
        with pytest.raises(UsageError, match="so neither Nitze's labels nor their images"):
            nitze_labels.nitze_labels_inventories([file_of("id", "year")], ImportRequest())


class TestDarts:
    LEVEL1 = ("id", "image_id", "date", "year", "pval_mean")
    LEVEL2 = ("id", "year", "area")

    def test_the_name_tells_the_level_else_the_columns_do(self) -> None:
        assert level_of(file_of("year", name="DARTS_v1-2_features_2018-2023_level2.gpkg")) == 2
        assert level_of(file_of("year", name="DARTS_features_Level_1.gpkg")) == 1
        assert level_of(file_of(*self.LEVEL1)) == 1
        assert level_of(file_of(*self.LEVEL2)) == 2

    def test_level_2_is_a_source_of_its_own_without_scenes(self) -> None:
        one, two = darts_inventories(
            [file_of(*self.LEVEL1), file_of(*self.LEVEL2)], ImportRequest()
        )

        assert (one.facts.source, two.facts.source) == ("darts", "darts-level2")
        assert one.facts.kind == two.facts.kind == "active_zone"
        row = {"id": 1, "image_id": "a", "date": "2021-07-01", "year": 2021, "area": 5.0}
        assert one.describe(row, file_of()).scene == "a"
        assert one.describe(row, file_of()).seen.basis == "exact"
        assert two.describe(row, file_of()).scene is None
        assert two.describe(row, file_of()).seen.basis == "season"
        assert one.used_fields == {"id", "image_id", "date", "year"}

    def test_a_named_source_tells_its_levels_apart(self) -> None:
        request = ImportRequest(source="mine")
        both = darts_inventories([file_of(*self.LEVEL1), file_of(*self.LEVEL2)], request)
        (alone,) = darts_inventories([file_of(*self.LEVEL2)], request)

        assert [each.facts.source for each in both] == ["mine", "mine-level2"]
        assert alone.facts.source == "mine"

    def test_level_1_is_preferred(self) -> None:
        one, two, coverage = (
            file_of(*self.LEVEL1),
            file_of(*self.LEVEL2),
            file_of("coverage_period"),
        )

        assert preferred([one, two, coverage]) == [one, coverage]
        assert preferred([two, coverage]) == [two, coverage]

    def test_fields_are_found_in_any_case_and_may_be_named(self) -> None:
        (found,) = darts_inventories([file_of("ID", "Year", name="level2.gpkg")], ImportRequest())
        (named,) = darts_inventories(
            [file_of("jahr", name="level2.gpkg")], ImportRequest(season_field="jahr")
        )

        assert (found.id_field, found.used_fields) == ("ID", {"ID", "Year"})
        assert named.used_fields == {"jahr"}

    def test_a_file_that_says_no_year_is_refused(self) -> None:
        with pytest.raises(UsageError, match="its fields are id, area"):
            darts_inventories([file_of("id", "area")], ImportRequest())

    def test_coverage_is_a_measured_look_in_each_of_its_years(self, write_vector) -> None:
        rows = [{"coverage_period": "2018,2019"}, {"coverage_period": "2019"}]
        file = open_vector(write_vector("coverage_2018_2019.gpkg", rows))

        (inventory,) = darts_inventories([file], ImportRequest())

        assert [look.season_year for look in inventory.looks] == [2018, 2019]
        first, second = inventory.looks
        assert second.geometry.area == pytest.approx(2 * first.geometry.area, rel=1e-3)
        assert {look.basis for look in inventory.looks} == {"measured"}
        assert (first.unit, first.scene_id) == ("coverage_2018_2019", None)

    def test_coverage_counts_for_both_levels_that_come_with_it(self, write_vector) -> None:
        file = open_vector(write_vector("coverage.gpkg", [{"coverage_period": "2019"}]))

        both = darts_inventories(
            [file_of(*self.LEVEL1), file_of(*self.LEVEL2), file], ImportRequest()
        )

        assert [[look.source for look in each.looks] for each in both] == [
            ["darts"],
            ["darts-level2"],
        ]

    @pytest.mark.parametrize("period", ["", None, "all", "1066"])
    def test_coverage_without_years_is_refused(self, write_vector, period: str | None) -> None:
        rows = [{"coverage_period": "2019"}, {"coverage_period": period}]
        file = open_vector(write_vector("coverage.gpkg", rows))

        with pytest.raises(InputError, match=r"coverage:2: coverage_period .* holds no years"):
            darts_inventories([file], ImportRequest())


class TestArts:
    ROW: ClassVar = {
        "RegionName": "Banks Island",
        "CreatorLab": "TLantz",
        "BaseMapDate": "2020-07-05,2020-08-20",
        "BaseMapSource": "PlanetScope",
        "BaseMapResolution": "3",
        "TrainClass": "Positive",
        "LabelType": "Polygon",
        "MergedRTS": None,
        "UID": "6aff1955",
        "BaseMapID": None,
    }

    def described(self, **changes: object):
        return arts.describe_with(arts.FIELDS)({**self.ROW, **changes}, file_of())

    def test_its_columns_are_understood(self) -> None:
        described = self.described()

        assert (described.seen.season_year, described.seen.basis) == (2020, "range")
        assert described.gsd_m == 3.0
        assert described.scene == "TLantz:Banks Island:PlanetScope:2020-07-05,2020-08-20"

    def test_a_single_image_is_the_scene_where_it_is_named(self) -> None:
        assert self.described(BaseMapID="img7").scene.startswith("TLantz:Banks Island:img7:")

    def test_negatives_are_no_footprints(self) -> None:
        with pytest.raises(LeftOut, match="TrainClass Negative"):
            self.described(TrainClass="Negative")

    @pytest.mark.parametrize("label", ["BoundingBox", "Point"])
    def test_boxes_and_points_are_no_outlines(self, label: str) -> None:
        with pytest.raises(LeftOut, match=f"LabelType {label}"):
            self.described(LabelType=label)

    def test_its_relations_stay_among_the_attributes(self) -> None:
        (inventory,) = arts.arts_inventories([file_of(*self.ROW)], ImportRequest(reader="arts"))

        assert inventory.id_field == "UID"
        assert not {"MergedRTS", "BaseMapDate", "CreatorLab"} & inventory.used_fields

    def test_another_file_is_refused(self) -> None:
        with pytest.raises(UsageError, match="so not of ARTS"):
            arts.arts_inventories([file_of("id", "year")], ImportRequest(reader="arts"))
