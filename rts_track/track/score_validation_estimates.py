"""Scores of a validation with their intervals: ground is drawn again, with replacement.

An interval is the middle 95 % of what comes out when blocks of ground, as many as there are, are
drawn with replacement and the score is taken anew (percentile bootstrap: Efron 1979, doi
10.1214/aos/1176344552; of blocks, for neighbours are alike: Hall 1985, doi
10.1016/0304-4149(85)90028-9). Blocks on which nothing lies are not drawn: they stay as they are.
With fewer than `least_units` blocks places are drawn instead, and with fewer places there is no
interval; nor of a score to which fewer of them contribute, or that is the same in all replicates:
that all of a few objects were right does not make it certain. Ground that several searches saw is
one. Every comparison is resampled alike, so means over several, and differences, have intervals.

With areas in m2, true positive TP, found beside it FP, missed FN and TN the rest of what was
looked at: precision TP / (TP + FP), recall TP / (TP + FN), F1 2 TP / (2 TP + FP + FN), IoU
TP / (TP + FP + FN), specificity TN / (TN + FP), kappa (p_o - p_e) / (1 - p_e) with p_o the share
on which both agree and p_e that which chance would give them (Cohen 1960, doi
10.1177/001316446002000104), MCC (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN))
(Matthews 1975, doi 10.1016/0005-2795(75)90109-9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rts_track.track.score_validation import FOUND, OTHERS, Compared, Comparison
from rts_track.track.tally import Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rts_track.track.score_validation import Columns, Matches, Region, ValidationParams

AREAS = "areas"
BOUNDARY = "boundary"
ALL_SIZES = "all sizes"
"""Topics of measures; others are named after criteria and size classes."""

INTERVAL_PERCENT = (2.5, 97.5)
LEAST_DEFINED = 0.9
"""An interval is told where the score is defined in this share of the replicates at least."""

_RATIOS = ("ratio_median", "ratio_total")

_BATCH = 4_000_000
"""Weights of units that are drawn at a time; bounds memory."""

Resampled = Literal["blocks", "places", "nothing"]
Of = tuple[str, str]
"""Topic and name of a measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score, its 95 % interval, and how many objects it rests on.

    `value` is None where the score is not defined, `low` and `high` where there is no interval;
    `n` where it rests on areas.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One comparison as a whole, or in one region.

    Attributes:
        subject: whose polygons are scored.
        reference: what stands for the truth.
        region: the region's name; None: all ground.
        tallies: objects by criterion.
        true_m2, found_m2, shared_m2: areas of either and of both.
        looked_m2: area looked at; None where unknown.
        measures: the scores by topic and name.
        resampled: what the intervals come from.
        n_blocks: blocks on which something lies.
        n_places: sets of polygons that touch each other.
    """

    subject: str
    reference: str
    region: str | None
    tallies: Mapping[str, Tally]
    true_m2: float
    found_m2: float
    shared_m2: float
    looked_m2: float | None
    measures: Mapping[Of, Estimate]
    resampled: Resampled
    n_blocks: int
    n_places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanScore:
    """A score's mean over several comparisons, with its interval.

    `each` has the score of every comparison, in their order; None where it is not defined.
    """

    mean: Estimate
    each: tuple[float | None, ...]

    @property
    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest; None where none is defined."""
        known = [value for value in self.each if value is not None]
        return (min(known), max(known)) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorScores:
    """How annotators agree, as the reference for what was found; by topic and name of the measure.

    Of each mean, `n` is the number of comparisons in which the score is defined.

    Attributes:
        pairs: every two annotators, in the order of `itertools.combinations`.
        found: what was found beside each annotator.
        others: each annotator beside the consensus of the others.
        found_less_pairs: mean of `found` less that of `pairs`: below 0, what was found agrees
            less with an annotator than annotators do among themselves.
    """

    pairs: Mapping[Of, MeanScore]
    found: Mapping[Of, MeanScore]
    others: Mapping[Of, MeanScore]
    found_less_pairs: Mapping[Of, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """A score as a function of sums; of `rests_on` it needs some, in `least_units` units."""

    of: Of
    score: Callable[[Columns], NDArray[np.float64]]
    rests_on: tuple[str, ...]
    is_counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """What is drawn with replacement, of the places of some ground.

    Attributes:
        rows: the places that count, (q,).
        unit: the unit of each of them, (q,).
        n: how many units there are.
        kind: what they are.
        looked_m2: area looked at by unit, (n,), and outside of all units; None where unknown.
        n_blocks: blocks on which something lies.
        n_places: places, each piece of ground once.
    """

    rows: NDArray[np.int64]
    unit: NDArray[np.int64]
    n: int
    kind: Resampled
    looked_m2: tuple[NDArray[np.float64], float] | None
    n_blocks: int
    n_places: int

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over each unit's places, (n,)."""
        return np.bincount(self.unit, values[self.rows], self.n).astype(np.float64)


def score_compared(
    compared: Compared, params: ValidationParams, regions: Sequence[Region] = ()
) -> list[Score]:
    """Every comparison but those of pairs over all ground; that of what was found by region, too.

    Regions in which nothing was looked at, found or true are left out.
    """
    everywhere = _units(compared, params, None)
    told = [each for each in compared.comparisons.values() if not _is_pair(each, compared)]
    scores = [_score(each, everywhere, params, None) for each in told]
    main = compared.comparisons[FOUND, compared.reference]
    for row, region in enumerate(regions):
        units = _units(compared, params, row)
        if len(units.rows) or (units.looked_m2 is not None and units.looked_m2[1] > 0.0):
            scores.append(_score(main, units, params, region.name))
    return scores


def score_annotators(compared: Compared, params: ValidationParams) -> AnnotatorScores | None:
    """How annotators agree; None where there is only one."""
    names = compared.annotators
    if len(names) < 2:
        return None
    units = _units(compared, params, None)
    pairs = _mean_scores(compared.pairs, units, params)
    found = _mean_scores([compared.comparisons[FOUND, name] for name in names], units, params)
    others = _mean_scores([compared.comparisons[name, OTHERS] for name in names], units, params)
    return AnnotatorScores(
        pairs={of: each.score for of, each in pairs.items()},
        found={of: each.score for of, each in found.items()},
        others={of: each.score for of, each in others.items()},
        found_less_pairs={of: _difference(found[of], pairs[of]) for of in pairs},
    )


def _is_pair(comparison: Comparison, compared: Compared) -> bool:
    return {comparison.subject, comparison.reference} <= set(compared.annotators)


def _units(compared: Compared, params: ValidationParams, region: int | None) -> _Units:
    """The blocks of the ground, or its places where there are too few of them."""
    is_there = np.full(len(compared.region), True) if region is None else compared.region == region
    rows = np.flatnonzero(is_there)
    blocks, of_block = np.unique(compared.block[rows], axis=0, return_inverse=True)
    places, of_place = np.unique(compared.same_ground()[rows], return_inverse=True)
    looked = _looked(compared, blocks, region)
    has_blocks = len(blocks) >= params.least_units
    if looked is not None and not has_blocks:
        looked = np.zeros(len(places)), float(looked[0].sum()) + looked[1]
    return _Units(
        rows=rows,
        unit=(of_block if has_blocks else of_place).ravel().astype(np.int64),
        n=len(blocks) if has_blocks else len(places),
        kind=_resampled(len(blocks), len(places), params),
        looked_m2=looked,
        n_blocks=len(blocks),
        n_places=len(places),
    )


def _resampled(n_blocks: int, n_places: int, params: ValidationParams) -> Resampled:
    if params.n_replicates == 0 or n_places < params.least_units:
        return "nothing"
    return "blocks" if n_blocks >= params.least_units else "places"


def _looked(
    compared: Compared, blocks: NDArray[np.int64], region: int | None
) -> tuple[NDArray[np.float64], float] | None:
    """The area looked at in each of the blocks, and elsewhere; None where it is not known."""
    cells = compared.cells
    if cells is None:
        return None
    is_there = np.full(len(cells.region), True) if region is None else cells.region == region
    number = {tuple(block): row for row, block in enumerate(blocks.tolist())}
    rows = [number.get(tuple(block), len(blocks)) for block in cells.block[is_there].tolist()]
    of_block = np.bincount(
        np.array(rows, dtype=np.int64), cells.area_m2[is_there], minlength=len(blocks) + 1
    )[:-1]
    meant = cells.whole_m2 if region is None else {region: cells.whole_m2.get(region, 0.0)}
    return of_block.astype(np.float64), sum(meant.values()) - float(of_block.sum())


def _score(
    comparison: Comparison, units: _Units, params: ValidationParams, region: str | None
) -> Score:
    table = _Table.of(comparison, units)
    total = table.total()
    measures = _measures(params, units.looked_m2 is not None)
    drawn = _replicates([table], measures, units, params)[0]
    estimates = {
        each.of: _estimate(each, table, total, drawn.get(each.of), params) for each in measures
    }
    estimates |= _ratios(comparison.matches, units, params)
    looked_m2 = total.get("looked_m2")
    return Score(
        subject=comparison.subject,
        reference=comparison.reference,
        region=region,
        tallies={
            name: Tally(
                n_true=int(total["n_true"]),
                n_found=int(total[f"n_found, {name}"]),
                n_right=int(total[f"n_right, {name}"]),
            )
            for name in params.criteria
        },
        true_m2=float(total["true_m2"]),
        found_m2=float(total["found_m2"]),
        shared_m2=float(total["shared_m2"]),
        looked_m2=None if looked_m2 is None else float(looked_m2),
        measures=estimates,
        resampled=units.kind,
        n_blocks=units.n_blocks,
        n_places=units.n_places,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The sums of one comparison by unit, one row each, and what lies outside all units."""

    names: tuple[str, ...]
    sums: NDArray[np.float64]
    outside: NDArray[np.float64]

    @classmethod
    def of(cls, comparison: Comparison, units: _Units) -> _Table:
        """The table of a comparison."""
        columns = {name: units.sums(each) for name, each in comparison.columns.items()}
        columns |= _match_sums(comparison, units)
        outside = dict.fromkeys(columns, 0.0)
        if units.looked_m2 is not None:
            columns["looked_m2"], outside["looked_m2"] = units.looked_m2
        return cls(
            names=tuple(columns),
            sums=np.column_stack(list(columns.values())),
            outside=np.array(list(outside.values())),
        )

    def total(self) -> Columns:
        """The sums over all."""
        return dict(zip(self.names, self.sums.sum(axis=0) + self.outside, strict=True))

    def weighted(self, weight: NDArray[np.float64]) -> Columns:
        """The sums with each unit so often as each replicate has it, (b,) each."""
        sums = weight @ self.sums + self.outside
        return dict(zip(self.names, sums.T, strict=True))

    def n_units(self, names: Sequence[str]) -> int:
        """How many units contribute to any of these sums."""
        at = [self.names.index(name) for name in names]
        return int((self.sums[:, at] > 0.0).any(axis=1).sum())


def _match_sums(comparison: Comparison, units: _Units) -> Columns:
    """How many matches tell of the boundary, and the sums of their errors, by unit."""
    matches = comparison.matches
    sums: Columns = {}
    n_places = len(comparison.columns["n_true"])

    def by_unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return units.sums(np.bincount(matches.place, values, n_places).astype(np.float64))

    sums["n"] = by_unit(np.ones(len(matches.place)))
    for name in ("mean_m", "p95_m", "offset_m"):
        sums[name] = by_unit(getattr(matches, name))
    return sums


def _measures(params: ValidationParams, is_looked_known: bool) -> list[_Measure]:
    measures: list[_Measure] = []
    for name in params.criteria:
        measures += _object_measures(name, "n_true", f"n_found, {name}", f"n_right, {name}")
    for name in params.size_classes:
        true, right = f"n_true, {name}", f"n_right, {name}"
        measures.append(_Measure(of=(name, "recall"), score=_ratio(right, true), rests_on=(true,)))
    for name in ("mean_m", "p95_m", "offset_m"):
        measures.append(_Measure(of=(BOUNDARY, name), score=_ratio(name, "n"), rests_on=("n",)))
    scores = {**_AREA_SCORES, **(_LOOKED_SCORES if is_looked_known else {})}
    for name, score in scores.items():
        rests_on = {"precision": ("found_m2",), "recall": ("true_m2",)}
        of = rests_on.get(name, ("true_m2", "found_m2"))
        measures.append(_Measure(of=(AREAS, name), score=score, rests_on=of, is_counted=False))
    return measures


def _object_measures(criterion: str, true: str, found: str, right: str) -> Iterator[_Measure]:
    yield _Measure(of=(criterion, "precision"), score=_ratio(right, found), rests_on=(found,))
    yield _Measure(of=(criterion, "recall"), score=_ratio(right, true), rests_on=(true,))

    def f1(sums: Columns) -> NDArray[np.float64]:
        return _divided(2.0 * sums[right], sums[true] + sums[found])

    yield _Measure(of=(criterion, "F1"), score=f1, rests_on=(true, found))


def _ratio(above: str, below: str) -> Callable[[Columns], NDArray[np.float64]]:
    def ratio(sums: Columns) -> NDArray[np.float64]:
        return _divided(sums[above], sums[below])

    return ratio


def _divided(
    above: NDArray[np.float64] | float, below: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """The quotient; NaN where there is none."""
    below = np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0.0))


def _area_f1(sums: Columns) -> NDArray[np.float64]:
    return _divided(2.0 * sums["shared_m2"], sums["true_m2"] + sums["found_m2"])


def _area_iou(sums: Columns) -> NDArray[np.float64]:
    return _divided(sums["shared_m2"], sums["true_m2"] + sums["found_m2"] - sums["shared_m2"])


def _specificity(sums: Columns) -> NDArray[np.float64]:
    false_m2 = sums["looked_m2"] - sums["true_m2"]
    return _divided(false_m2 - (sums["found_m2"] - sums["shared_m2"]), false_m2)


def _kappa(sums: Columns) -> NDArray[np.float64]:
    looked, true, found = sums["looked_m2"], sums["true_m2"], sums["found_m2"]
    observed = 1.0 - _divided(true + found - 2.0 * sums["shared_m2"], looked)
    chance = _divided(true * found + (looked - true) * (looked - found), looked**2)
    return _divided(observed - chance, 1.0 - chance)


def _mcc(sums: Columns) -> NDArray[np.float64]:
    looked, true, found = sums["looked_m2"], sums["true_m2"], sums["found_m2"]
    covariance = looked * sums["shared_m2"] - true * found
    spread = true * found * np.maximum(looked - true, 0.0) * np.maximum(looked - found, 0.0)
    return _divided(covariance, np.sqrt(spread))


_AREA_SCORES: Mapping[str, Callable[[Columns], NDArray[np.float64]]] = {
    "precision": _ratio("shared_m2", "found_m2"),
    "recall": _ratio("shared_m2", "true_m2"),
    "F1": _area_f1,
    "IoU": _area_iou,
}
_LOOKED_SCORES: Mapping[str, Callable[[Columns], NDArray[np.float64]]] = {
    "specificity": _specificity,
    "kappa": _kappa,
    "MCC": _mcc,
}


def _replicates(
    tables: Sequence[_Table], measures: Sequence[_Measure], units: _Units, params: ValidationParams
) -> list[dict[Of, NDArray[np.float64]]]:
    """Each table's scores in every replicate, (n_replicates,) each; nothing without units."""
    if units.kind == "nothing":
        return [{} for _ in tables]
    drawn: list[dict[Of, list[NDArray[np.float64]]]] = [{} for _ in tables]
    for weight in _weights(units.n, params):
        for table, scores in zip(tables, drawn, strict=True):
            sums = table.weighted(weight)
            for measure in measures:
                scores.setdefault(measure.of, []).append(measure.score(sums))
    return [{of: np.concatenate(each) for of, each in scores.items()} for scores in drawn]


def _weights(n_units: int, params: ValidationParams) -> Iterator[NDArray[np.float64]]:
    """How often each replicate has each unit, (some, n_units), until there are n_replicates."""
    random = np.random.default_rng(params.seed)
    step = max(1, _BATCH // n_units)
    for first in range(0, params.n_replicates, step):
        count = min(step, params.n_replicates - first)
        share = np.full(n_units, 1.0 / n_units)
        yield random.multinomial(n_units, share, size=count).astype(np.float64)


def _estimate(
    measure: _Measure,
    table: _Table,
    total: Columns,
    replicates: NDArray[np.float64] | None,
    params: ValidationParams,
) -> Estimate:
    is_enough = table.n_units(measure.rests_on) >= params.least_units
    low, high = _interval(replicates if is_enough else None)
    n = round(sum(float(total[name]) for name in measure.rests_on)) if measure.is_counted else None
    return Estimate(value=_known(measure.score(total)), low=low, high=high, n=n)


def _interval(replicates: NDArray[np.float64] | None) -> tuple[float | None, float | None]:
    """The middle 95 % of the replicates; None where it cannot be told.

    Nor where it has no width: that all of a few objects are right does not make it certain.
    """
    if replicates is None:
        return None, None
    known = replicates[np.isfinite(replicates)]
    if len(known) < LEAST_DEFINED * len(replicates):
        return None, None
    low, high = np.percentile(known, INTERVAL_PERCENT).tolist()
    return (low, high) if low < high else (None, None)


def _known(value: NDArray[np.float64] | float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _ratios(matches: Matches, units: _Units, params: ValidationParams) -> dict[Of, Estimate]:
    """Drawn over true area: the median of all matches, and both ratios of each size class."""
    n_rows = int(max(units.rows.max(initial=-1), matches.place.max(initial=-1))) + 1
    row_of = np.full(n_rows, -1)
    row_of[units.rows] = units.unit
    unit = row_of[matches.place]
    size = np.digitize(matches.true_m2, params.size_edges_m2)
    meant = {ALL_SIZES: unit >= 0}
    meant |= {name: (unit >= 0) & (size == n) for n, name in enumerate(params.size_classes)}
    drawn: dict[Of, list[NDArray[np.float64]]] = {}
    if units.kind != "nothing":
        for weight in _weights(units.n, params):
            for name, is_of in meant.items():
                medians, totals = _both_ratios(matches, is_of, weight[:, unit[is_of]])
                drawn.setdefault((name, "ratio_median"), []).append(medians)
                drawn.setdefault((name, "ratio_total"), []).append(totals)
    told = {}
    for name, is_of in meant.items():
        is_enough = len(np.unique(unit[is_of])) >= params.least_units
        once = np.ones((1, int(is_of.sum())))
        for ratio, value in zip(_RATIOS, _both_ratios(matches, is_of, once), strict=True):
            replicates = drawn.get((name, ratio)) if is_enough else None
            low, high = _interval(np.concatenate(replicates) if replicates else None)
            n = int(is_of.sum())
            told[name, ratio] = Estimate(value=_known(value[0]), low=low, high=high, n=n)
    return told


def _both_ratios(
    matches: Matches, is_of: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median of the ratios and ratio of the sums, of matches as often as each row says, (b,)."""
    drawn_m2, true_m2 = matches.drawn_m2[is_of], matches.true_m2[is_of]
    medians = _weighted_medians(drawn_m2 / true_m2, weight)
    return medians, _divided(weight @ drawn_m2, weight @ true_m2)


def _weighted_medians(
    values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The median of the values, each so often as its weight says, of each row of weights, (b,).

    NaN where a row has no weight.
    """
    if len(values) == 0:
        return np.full(len(weight), np.nan)
    order = np.argsort(values, kind="stable")
    ranked, below = values[order], np.cumsum(weight[:, order], axis=1)
    half = below[:, -1:] / 2.0
    lower = np.argmax(below >= half, axis=1)
    upper = np.argmax(below > half, axis=1)
    medians = (ranked[lower] + ranked[upper]) / 2.0
    return np.asarray(np.where(below[:, -1] > 0.0, medians, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    """A mean score, and what it is in every replicate; None without an interval."""

    score: MeanScore
    replicates: NDArray[np.float64] | None


def _mean_scores(
    comparisons: Sequence[Comparison], units: _Units, params: ValidationParams
) -> dict[Of, _Mean]:
    """The means over comparisons of objects' F1 by each criterion, and of areas' F1 and IoU."""
    wanted = {(name, "F1") for name in params.criteria} | {(AREAS, "F1"), (AREAS, "IoU")}
    measures = [each for each in _measures(params, False) if each.of in wanted]
    tables = [_Table.of(comparison, units) for comparison in comparisons]
    drawn = _replicates(tables, measures, units, params)
    return {
        each.of: _mean(each, tables, [of_table.get(each.of) for of_table in drawn], params)
        for each in measures
    }


def _mean(
    measure: _Measure,
    tables: Sequence[_Table],
    replicates: Sequence[NDArray[np.float64] | None],
    params: ValidationParams,
) -> _Mean:
    """The mean over the tables in which the score is defined."""
    values = np.array([float(measure.score(table.total())) for table in tables])
    known = values[np.isfinite(values)]
    enough = [table.n_units(measure.rests_on) >= params.least_units for table in tables]
    drawn = [each for each in replicates if each is not None]
    of_replicate = _means_of_known(np.array(drawn)) if drawn and all(enough) else None
    low, high = _interval(of_replicate)
    mean = _known(known.mean()) if len(known) else None
    return _Mean(
        score=MeanScore(
            mean=Estimate(value=mean, low=low, high=high, n=len(known)),
            each=tuple(map(_known, values)),
        ),
        replicates=of_replicate,
    )


def _means_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean down each column of what is known; NaN where nothing is."""
    is_known = np.isfinite(values)
    total = np.where(is_known, values, 0.0).sum(axis=0)
    return _divided(total, is_known.sum(axis=0).astype(np.float64))


def _difference(one: _Mean, other: _Mean) -> Estimate:
    """The first mean less the second; both were resampled alike."""
    low, high = None, None
    if one.replicates is not None and other.replicates is not None:
        low, high = _interval(one.replicates - other.replicates)
    first, second = one.score.mean.value, other.score.mean.value
    is_known = first is not None and second is not None
    value = float(np.subtract(first, second)) if is_known else None  # type: ignore[arg-type]
    return Estimate(value=value, low=low, high=high)
