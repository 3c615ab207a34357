"""How well what a store holds agrees with a truth of places, in rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rts_track.track import score as feature_score
from rts_track.track.score_objects import ObjectScore

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.track.score import Score
    from rts_track.track.score_rates import RateScore

_TEXTS = ("measure", "source")
_WHOLE_NUMBERS = ("season_year", "n_true", "n_found", "n_right")
COLUMNS = (
    "measure",
    "source",
    "season_year",
    *(name for name in feature_score.COLUMNS if name != "measure"),
    "ratio_median",
    "ratio_total",
    "difference_median",
    "within_frac",
)
"""What a row of a score by place holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceScore:
    """How well objects were found, tracked and measured.

    Attributes:
        objects: how well objects were found, by source and season.
        tracking: how well they were tracked; None where nothing is linked yet.
        rates: how well their growth was measured; None where nothing is linked yet.
    """

    objects: Mapping[tuple[str, int], ObjectScore]
    tracking: Score | None
    rates: RateScore | None

    @property
    def by_source(self) -> dict[str, ObjectScore]:
        """How well each source found objects, over all seasons."""
        sources: dict[str, ObjectScore] = {}
        for (source, _), found in sorted(self.objects.items()):
            sources[source] = sources.get(source, ObjectScore()) + found
        return sources

    def rows(self) -> list[dict[str, object]]:
        """The measures, one a row: of each source, of each of its seasons, of tracks, of rates.

        Rows of objects have their criterion in `measure`; `season_year` is null where a row is of
        all seasons. The row of `objects, area` has as n_right the matches that tell of area;
        those of `objects, wrong on ...` have as n_found what is wrong by overlap there. That of
        growth rates has as n_found the intervals compared, and `difference_median` in m2/a.
        What cannot be told is None. What the other columns mean says `track.score.Score.rows`.
        """
        rows = []
        for source, whole in self.by_source.items():
            rows += _object_rows(source, None, whole)
            for (of, season_year), found in sorted(self.objects.items()):
                if of == source:
                    rows += _object_rows(source, season_year, found)
        if self.tracking is not None:
            rows += [_blank() | row for row in self.tracking.rows()]
        if self.rates is not None:
            rows.append(_rate_row(self.rates))
        return rows

    def table(self) -> pa.Table:
        """The rows as an Arrow table."""
        import pyarrow as pa

        types = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(_WHOLE_NUMBERS, pa.int64())
        schema = pa.schema([(name, types.get(name, pa.float64())) for name in COLUMNS])
        return pa.Table.from_pylist(self.rows(), schema=schema)


def _blank() -> dict[str, object]:
    return dict.fromkeys(COLUMNS)


def _object_rows(
    source: str, season_year: int | None, found: ObjectScore
) -> list[dict[str, object]]:
    of = _blank() | {"source": source, "season_year": season_year}
    rows = [
        of
        | {
            "measure": f"objects, {criterion}",
            "n_true": tally.n_true,
            "n_found": tally.n_found,
            "n_right": tally.n_right,
            "precision": tally.precision,
            "recall": tally.recall,
            "f1": tally.f1,
        }
        for criterion, tally in found.tallies.items()
    ]
    area = of | {
        "measure": "objects, area",
        "n_right": len(found.areas_m2),
        "ratio_median": found.area_ratio_median,
        "ratio_total": found.area_ratio_total,
    }
    wrong = [
        of | {"measure": f"objects, wrong on {kind}", "n_found": n}
        for kind, n in sorted(found.wrong_on.items())
    ]
    return [*rows, area, *wrong]


def _rate_row(rates: RateScore) -> dict[str, object]:
    return _blank() | {
        "measure": "growth rates",
        "n_found": rates.n,
        "ratio_median": rates.ratio_median,
        "ratio_total": rates.ratio_total,
        "difference_median": rates.difference_median_m2_yr,
        "within_frac": rates.within_frac,
    }
