"""What a validation came to: as rows, as JSON, and as lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import rts_track
from rts_track.report.validation import ValidationPicture
from rts_track.track.score_objects import OVERLAP
from rts_track.track.score_validation import CONSENSUS, FOUND, OTHERS
from rts_track.track.score_validation_estimates import (
    ALL_SIZES,
    AREAS,
    BOUNDARY,
    Estimate,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.track.score_validation import Compared, ValidationParams
    from rts_track.track.score_validation_estimates import AnnotatorScores, MeanScore, Of, Score

EACH = "each annotator"
PAIRS = "every two annotators"
LESS = "found less annotators"

_TEXTS = ("subject", "reference", "region", "topic", "measure", "resampled")
_WHOLE_NUMBERS = ("n", "n_blocks", "n_places")
COLUMNS = (
    *_TEXTS[:-1],
    "value",
    "low",
    "high",
    "lowest",
    "highest",
    "n",
    "resampled",
    "n_blocks",
    "n_places",
)
"""What a row of a validation holds."""

DEFINITIONS: Mapping[str, str] = {
    "within": "where was looked and truth is complete; of polygons that reach out of it, the part"
    " inside",
    "counts": "a true object of which at least half was looked at, and at least the minimum area"
    " of that; what is found counts likewise, unless it lies half on true objects that do not",
    "match": "one to one, as many as can be, then the most alike: by IoU, which share so much of"
    " their union; by overlap, which share half of the smaller one",
    "precision, recall, F1": "right of found, right of true, and their harmonic mean",
    "areas": "exact areas in EPSG:6931, whoever drew twice counts once: precision and recall of"
    " square metres, F1, IoU; with the area looked at specificity, Cohen's kappa and Matthews'"
    " correlation (MCC)",
    "boundary": "of matches by overlap that are whole and not clipped, each match counting once:"
    " mean distance from either boundary to the other (mean_m), the 95th percentile of these"
    " distances (p95_m), and their mean with the found boundary's side, outward positive"
    " (offset_m); metres",
    "size": "of the same matches found over true area: the median of the ratios (ratio_median) and"
    " the ratio of the sums (ratio_total), by the true object's size; recall by overlap",
    "consensus": "what more than half of the annotators drew; parts that touch along an edge are"
    " one object, and slivers are left out",
    "interval": "the middle 95 % when blocks of ground are drawn again with replacement; with too"
    " few blocks, places (polygons that touch each other); with too few of these, none",
}
"""What the words of a validation mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """How good what was found is.

    Attributes:
        name: what was found is called so: a source or a file.
        scores: every comparison but those of pairs; what was found as a whole comes first.
        annotators: how annotators agree; None where there is only one.
        compared: what the scores were taken from, place by place.
        params: how it was made.
        n_left_out: searches that not every truth tells of.
        is_truth_everywhere: whether every polygon of truth counts in each of several searches.
        n_skipped: polygons of truth that could not be used.
        inputs_sha256: digest of what was read; empty where arrays were given.
    """

    name: str
    scores: tuple[Score, ...]
    annotators: AnnotatorScores | None
    compared: Compared
    params: ValidationParams
    n_left_out: int = 0
    is_truth_everywhere: bool = False
    n_skipped: int = 0
    inputs_sha256: str = ""

    @property
    def main(self) -> Score:
        """What was found as a whole beside the consensus, or beside the one annotator."""
        return self.scores[0]

    @property
    def by_region(self) -> list[Score]:
        """What was found, region by region."""
        return [score for score in self.scores if score.region is not None]

    @property
    def picture(self) -> ValidationPicture:
        """What a figure of it shows."""
        return ValidationPicture(
            name=self.name,
            scores=self.scores,
            annotators=self.annotators,
            compared=self.compared,
            params=self.params,
        )

    def score_of(self, subject: str, reference: str) -> Score:
        """The comparison of these two over all ground."""
        return next(
            each
            for each in self.scores
            if (each.subject, each.reference, each.region) == (subject, reference, None)
        )

    def rows(self) -> list[dict[str, object]]:
        """One score a row: whose polygons beside whose, where, and what COLUMNS says.

        `region` is null for all ground. Counts and areas have rows, too, without an interval.
        Rows of means over annotators have as `lowest` and `highest` what single comparisons have,
        and as `n` their number. What cannot be told is None.
        """
        rows = [row for score in self.scores for row in _score_rows(score)]
        if self.annotators is not None:
            rows += _annotator_rows(self.annotators, self.compared.annotators, self.main)
        return rows

    def table(self) -> pa.Table:
        """The rows as an Arrow table."""
        import pyarrow as pa

        types = dict.fromkeys(_TEXTS, pa.string()) | dict.fromkeys(_WHOLE_NUMBERS, pa.int64())
        schema = pa.schema([(name, types.get(name, pa.float64())) for name in COLUMNS])
        return pa.Table.from_pylist(self.rows(), schema=schema)

    def json(self) -> str:
        """All of it as one JSON object: what it is of, how it was made, words, rows."""
        told = {
            "found": self.name,
            "reference": self.main.reference,
            "annotators": list(self.compared.annotators),
            "n_searches": self.compared.n_samples,
            "n_left_out": self.n_left_out,
            "params": asdict(self.params),
            "code_version": rts_track.__version__,
            "inputs_sha256": self.inputs_sha256,
            "definitions": dict(DEFINITIONS),
            "rows": self.rows(),
        }
        return json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def lines(self, *, has_definitions: bool = True) -> Iterator[str]:
        """What a person wants to know."""
        yield from self._head()
        yield ""
        yield from _aligned(_object_cells(self.main, self.params))
        yield f"  {_more_of_areas(self.main)}"
        yield ""
        yield _boundary_line(self.main)
        yield ""
        yield from _aligned(_size_cells(self.main, self.params))
        if self.by_region:
            yield ""
            yield from _aligned(_region_cells(self.by_region))
        if self.annotators is not None:
            yield ""
            yield from self._annotator_lines(self.annotators)
        yield ""
        yield from self._interval_lines()
        if has_definitions:
            yield ""
            yield from (f"{word}: {meaning}" for word, meaning in DEFINITIONS.items())

    def _head(self) -> Iterator[str]:
        names = self.compared.annotators
        by = f"the consensus of {len(names)} annotators" if len(names) > 1 else names[0]
        looked = self.main.looked_m2
        ground = "all ground" if looked is None else f"{looked / 1e6:,.2f} km2 looked at"
        n = self.compared.n_samples
        yield f"{self.name} beside {by}: {_counted(n, 'search', 'searches')}, {ground}"
        if self.is_truth_everywhere:
            yield (
                "every polygon of truth counts in each search; where it is of one scene or season,"
                " say so (--scene-field, --season-field, --date-field)"
            )
        if self.n_left_out:
            left_out = _counted(self.n_left_out, "search", "searches")
            yield f"{left_out} left out, of which not every truth tells"
        if self.n_skipped:
            yield f"{_counted(self.n_skipped, 'polygon')} of truth left out, without an area"

    def _annotator_lines(self, annotators: AnnotatorScores) -> Iterator[str]:
        yield from _aligned(_annotator_cells(self, annotators))
        yield ""
        yield from _aligned(_mean_cells(annotators, self.params))

    def _interval_lines(self) -> Iterator[str]:
        main, params = self.main, self.params
        blocks = _counted(main.n_blocks, "block")
        ground = f"{_counted(main.n_places, 'place')} in {blocks} of {params.block_m:g} m"
        if params.n_replicates == 0:
            yield f"no intervals asked for; {ground}"
        elif main.resampled == "nothing":
            yield f"no intervals: {ground}, and fewer than {params.least_units} places"
        else:
            yield (
                f"(intervals): 95 %, {main.resampled} drawn {params.n_replicates:,} times with"
                f" replacement, seed {params.seed}; {ground}"
            )
        if main.resampled == "places":
            yield (
                f"fewer than {params.least_units} blocks, so places were drawn: neighbours are"
                " alike, and the intervals rather too narrow for other ground"
            )


def _score_rows(score: Score) -> Iterator[dict[str, object]]:
    of = {
        "subject": score.subject,
        "reference": score.reference,
        "region": score.region,
    }
    units = {"n_blocks": score.n_blocks, "n_places": score.n_places}
    counts: dict[Of, float | None] = {
        (name, count): float(getattr(tally, count))
        for name, tally in score.tallies.items()
        for count in ("n_true", "n_found", "n_right")
    }
    areas = ("true_m2", "found_m2", "shared_m2", "looked_m2")
    counts |= {(AREAS, name): getattr(score, name) for name in areas}
    for (topic, measure), value in counts.items():
        yield _row(topic, measure, Estimate(value=value)) | of | units
    for (topic, measure), estimate in score.measures.items():
        yield _row(topic, measure, estimate) | of | units | {"resampled": score.resampled}


def _annotator_rows(
    annotators: AnnotatorScores, names: Sequence[str], main: Score
) -> Iterator[dict[str, object]]:
    means = {
        (PAIRS, PAIRS): annotators.pairs,
        (FOUND, EACH): annotators.found,
        (EACH, OTHERS): annotators.others,
    }
    told = {"resampled": main.resampled, "n_blocks": main.n_blocks, "n_places": main.n_places}
    for (subject, reference), scores in means.items():
        of = {"subject": subject, "reference": reference}
        for (topic, measure), score in scores.items():
            lowest, highest = score.span or (None, None)
            span = {"lowest": lowest, "highest": highest}
            yield _row(topic, measure, score.mean) | of | told | span
    for (topic, measure), estimate in annotators.found_less_pairs.items():
        yield _row(topic, measure, estimate) | {"subject": LESS, "reference": EACH} | told
    for (topic, measure), score in annotators.pairs.items():
        for (one, other), value in zip(combinations(names, 2), score.each, strict=True):
            of = {"subject": one, "reference": other}
            yield _row(topic, measure, Estimate(value=value)) | of


def _row(topic: str, measure: str, estimate: Estimate) -> dict[str, object]:
    return dict.fromkeys(COLUMNS) | {
        "topic": topic,
        "measure": measure,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
    }


def _object_cells(score: Score, params: ValidationParams) -> Iterator[Sequence[str]]:
    yield "", "true", "found", "right", "precision", "recall", "F1"
    scored = ("precision", "recall", "F1")
    for name in params.criteria:
        tally = score.tallies[name]
        counts = (f"{n:,}" for n in (tally.n_true, tally.n_found, tally.n_right))
        told = (with_interval(score.measures[name, each]) for each in scored)
        yield f"objects, {name}", *counts, *told
    areas = (f"{area / 1e4:,.1f} ha" for area in (score.true_m2, score.found_m2, score.shared_m2))
    yield AREAS, *areas, *(with_interval(score.measures[AREAS, each]) for each in scored)


def _more_of_areas(score: Score) -> str:
    names = ("IoU", "specificity", "kappa", "MCC")
    told = [
        f"{name} {with_interval(score.measures[AREAS, name], 3 if name == 'specificity' else 2)}"
        for name in names
        if (AREAS, name) in score.measures
    ]
    return f"{AREAS}: {', '.join(told)}"


def _boundary_line(score: Score) -> str:
    mean, p95, offset = (score.measures[BOUNDARY, name] for name in ("mean_m", "p95_m", "offset_m"))
    if not mean.n:
        return "boundary: no match by overlap that is whole"
    return (
        f"boundary of {_counted(mean.n, 'match', 'matches')}: {with_interval(mean, 1)} m apart,"
        f" 95th percentile {with_interval(p95, 1)} m, {with_interval(offset, 1)} m outward"
    )


def _size_cells(score: Score, params: ValidationParams) -> Iterator[Sequence[str]]:
    yield "true area", "true", "recall", "whole matches", "ratio_median", "ratio_total"
    whole = score.measures[OVERLAP, "recall"]
    for name in (ALL_SIZES, *params.size_classes):
        recall = whole if name == ALL_SIZES else score.measures[name, "recall"]
        median, total = score.measures[name, "ratio_median"], score.measures[name, "ratio_total"]
        told = with_interval(median), with_interval(total)
        yield name, f"{recall.n or 0:,}", with_interval(recall), f"{median.n or 0:,}", *told


def _region_cells(scores: Sequence[Score]) -> Iterator[Sequence[str]]:
    yield "region", "km2", "true", "found", "precision", "recall", "F1", "F1 of areas", "drawn"
    for score in scores:
        tally = score.tallies[OVERLAP]
        objects = (
            with_interval(score.measures[OVERLAP, each]) for each in ("precision", "recall", "F1")
        )
        looked = "-" if score.looked_m2 is None else f"{score.looked_m2 / 1e6:,.1f}"
        n = score.n_blocks if score.resampled == "blocks" else score.n_places
        drawn = "-" if score.resampled == "nothing" else f"{n:,} {score.resampled}"
        counts = f"{tally.n_true:,}", f"{tally.n_found:,}"
        areas = with_interval(score.measures[AREAS, "F1"])
        yield str(score.region), looked, *counts, *objects, areas, drawn


def _annotator_cells(
    report: ValidationReport, annotators: AnnotatorScores
) -> Iterator[Sequence[str]]:
    """Each annotator: found beside it, and it beside the consensus of the others."""
    of_found, of_others = f"{report.name} beside it", "it beside the others"
    yield "annotator", "objects", of_found, "areas", of_others, "areas"
    wanted: tuple[Of, Of] = ((OVERLAP, "F1"), (AREAS, "F1"))
    for name in report.compared.annotators:
        found, others = report.score_of(FOUND, name), report.score_of(name, OTHERS)
        n_true = found.tallies[OVERLAP].n_true
        told = [with_interval(each.measures[of]) for each in (found, others) for of in wanted]
        yield name, f"{n_true:,}", *told
    means = [mean[of] for mean in (annotators.found, annotators.others) for of in wanted]
    yield "mean (F1)", "", *(with_interval(each.mean) for each in means)


def _mean_cells(annotators: AnnotatorScores, params: ValidationParams) -> Iterator[Sequence[str]]:
    """How annotators agree two by two, and what was found with one of them."""
    yield "F1", PAIRS, "lowest to highest", f"found beside {EACH}", "less that of annotators"
    for name in (*params.criteria, AREAS):
        pairs, found = annotators.pairs[name, "F1"], annotators.found[name, "F1"]
        less = annotators.found_less_pairs[name, "F1"]
        topic = name if name == AREAS else f"objects, {name}"
        yield topic, _mean(pairs), _span(pairs), _mean(found), with_interval(less)


def _mean(score: MeanScore) -> str:
    return with_interval(score.mean)


def _span(score: MeanScore) -> str:
    return "-" if score.span is None else f"{score.span[0]:.2f} to {score.span[1]:.2f}"


def with_interval(estimate: Estimate, decimals: int = 2) -> str:
    """The value with its interval in brackets; - where it is not defined."""
    if estimate.value is None:
        return "-"
    told = _rounded(estimate.value, decimals)
    if estimate.low is None or estimate.high is None:
        return told
    return f"{told} ({_rounded(estimate.low, decimals)} to {_rounded(estimate.high, decimals)})"


def _rounded(value: float, decimals: int) -> str:
    """The value to so many decimals; never -0."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """The cells in columns, the first to the left."""
    cells = list(rows)
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        first, *others = (
            cell.rjust(n) if number else cell.ljust(n)
            for number, (cell, n) in enumerate(zip(row, width, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def _counted(count: int, noun: str, nouns: str | None = None) -> str:
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def is_reserved(name: str) -> bool:
    """Whether an annotator cannot be called so."""
    return name in (FOUND, CONSENSUS, OTHERS, EACH, PAIRS, LESS)
