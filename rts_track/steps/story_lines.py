"""One slump's story in words: lines of at most 100 columns that need no colour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from rts_track.steps.evidence_words import counted, evidence_words, share_text

if TYPE_CHECKING:
    from rts_track.steps.telling import Row, Season, Story

WIDTH = 100
"""Columns of the widest line."""

_SHORT_ID = 8
_RELATIVES_TOLD = 12
_LABEL = 9
_INDENT = " " * 8
_HEAD = ("season", "state", "seen", "area m²", "drawn", "change m²", "m² a year", "")
_IS_RIGHT = (False, False, False, True, True, True, True, False)
_TRENDS = {
    "theil_sen": "median of slopes",
    "wls": "least squares",
    "interval": "two seasons only",
}
_OWN_EVENTS = {
    "initiate": "began",
    "first_seen": "first seen; may be older",
    "merge": "merged into {other}",
    "split": "split from {other}",
    "stabilise": "stabilised",
    "reactivate": "active again",
    "reinitiate": "began in the scar of {other}",
}
_OTHERS_EVENTS = {
    "merge": "swallowed {other}",
    "split": "{other} split off",
    "reinitiate": "{other} began in its scar",
}
_VERDICTS = {"accept": "accepted", "reject": "rejected", "relink": "drawn"}


def story_lines(story: Story) -> Iterator[str]:
    """The story as lines of text: who it is, then its seasons, its relatives and verdicts."""
    if story.alias is not None:
        yield from _wrapped(_alias_line(story.alias))
    if story.track is None:
        return
    yield from _head(story, story.track)
    yield ""
    yield from _season_lines(story.seasons, story.track["track_id"])
    yield from _relative_lines(story)
    yield from _verdict_lines(story.verdicts)
    yield ""
    yield from _wrapped(_footnote(story))


def _alias_line(alias: Row) -> str:
    if alias["track_id"] is None:
        return f"{alias['old_track_id']} was retracted: {alias['reason']}"
    return f"{alias['old_track_id']} is now {alias['track_id']} ({alias['reason']})"


def _head(story: Story, track: Row) -> Iterator[str]:
    yield _labelled("slump", track["track_id"])
    yield _labelled("kind", track["kind"].replace("_", " "))
    seen = counted(track["n_seasons_observed"], "season")
    yield _labelled("validity", f"{track['validity']}: seen in {seen}, {_years(track)}")
    yield _labelled("activity", f"{track['activity']}, as of {track['activity_year']}")
    where = f"{track['lat']:.5f}, {track['lon']:.5f} (lat, lon)"
    yield _labelled("size", f"{track['area_m2']:,.0f} m² in {track['last_year']}, at {where}")
    if story.trend:
        yield _labelled("trend", _trend_text(story.trend))
    n_family = len(story.lineage)
    family = "none but itself" if n_family <= 1 else counted(n_family, "slump")
    yield _labelled("lineage", f"{track['lineage_id']}: {family}")
    for row in story.former:
        yield from _labelled_lines("formerly", f"{row['old_track_id']} ({row['reason']})")


def _trend_text(trend: Row) -> str:
    low, high = trend["area_rate_low_m2_yr"], trend["area_rate_high_m2_yr"]
    how = _TRENDS[trend["method"]]
    if trend["method"] != "interval":
        how = f"{how} over {trend['n_seasons']} seasons"
    return f"{trend['area_rate_m2_yr']:+,.0f} m² a year (95 %: {low:+,.0f} to {high:+,.0f}; {how})"


def _season_lines(seasons: Iterable[Season], own: str) -> Iterator[str]:
    """A table of the seasons; below each line what else is to be told of it."""
    told = list(seasons)
    rows = [_HEAD, *(_season_cells(season) for season in told)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = [[], *(list(_season_notes(season, own)) for season in told)]
    for row, below in zip(rows, notes, strict=True):
        cells = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, _IS_RIGHT, strict=True)
        )
        yield "  ".join(cells).rstrip()
        yield from below


def _season_cells(season: Season) -> tuple[str, ...]:
    state, growth = season.state, season.growth
    if state is None:
        return (str(season.season_year), "-", *[""] * (len(_HEAD) - 2))
    change = rate = mark = ""
    if growth is not None:
        change = f"{growth['area_change_m2']:+,.0f}"
        sigma = growth["area_rate_sigma_m2_yr"]
        rate = f"{growth['area_rate_m2_yr']:+,.0f} ± {sigma:,.0f}"
        mark = "* " if growth["is_significant"] else "  "
        mark += "g" if growth["basis"] == "group" else ""
    return (
        str(season.season_year),
        state["state"],
        _days(state["observed_from"], state["observed_to"]),
        _area_text(state),
        str(state["n_outlines"] or ""),
        change,
        rate,
        mark,
    )


def _area_text(state: Row) -> str:
    """The area with its sigma; a cut outline's is a lower bound."""
    if state["area_m2"] is None:
        return ""
    bound = "≥" if state["is_clipped"] else ""
    sigma = "" if state["area_sigma_m2"] is None else f" ± {state['area_sigma_m2']:,.0f}"
    return f"{bound}{state['area_m2']:,.0f}{sigma}"


def _season_notes(season: Season, own: str) -> Iterator[str]:
    """What lies below a season's line: how far it was covered, its links and events."""
    state = season.state
    if state and state["state"] != "observed" and state["coverage_frac"] is not None:
        yield from _note("looks", f"cover {state['coverage_frac']:.0%} of it")
    for link in season.links:
        yield from _note("link", _link_text(link, own))
    for event in season.events:
        yield from _note("event", _event_text(event, own))


def _link_text(link: Row, own: str) -> str:
    """What ties the season's outlines to earlier ones, and how sure that is."""
    other = link["from_track_id"]
    whose = "" if other in (own, None) else f", an outline of {_short(other)}"
    parts = [f"{link['kind']} from {link['from_year']}{whose}"]
    if link["origin"] == "person":
        parts.append("drawn by a person")
    else:
        parts.append(f"confidence {share_text(link['confidence'])}")
        parts += ["AMBIGUOUS"] if link["is_ambiguous"] else []
    parts += ["may yet be settled"] if link["is_provisional"] else []
    return "; ".join(parts)


def _event_text(event: Row, own: str) -> str:
    """What happened, between which days, how sure that is, and why it is thought so."""
    is_own = event["track_id"] == own
    other = event["related_track_id"] if is_own else event["track_id"]
    said = _what_happened(event["kind"], is_own, _short(other or "another"))
    parts = [said, _bracket(event["after_on"], event["before_on"])]
    parts.append(f"confidence {share_text(event['confidence'])}")
    parts += ["may yet be settled"] if event["is_provisional"] else []
    return "; ".join([*parts, *evidence_words(event)])


def _what_happened(event: str, is_own: bool, other: str) -> str:
    """An event in words: one that befell the slump itself, or `other` on its account."""
    phrases = _OWN_EVENTS if is_own else _OTHERS_EVENTS
    return phrases.get(event, f"{event} {other}").format(other=other)


def _relative_lines(story: Story) -> Iterator[str]:
    """The whole ids of those that events tie it to."""
    relatives = story.relatives
    if not relatives:
        return
    yield ""
    for relative in relatives[:_RELATIVES_TOLD]:
        is_own = relative["whose"] == "own"
        said = _what_happened(relative["event"], is_own, relative["track_id"])
        yield _labelled("relative", f"{said} ({relative['season_year']})")
    if len(relatives) > _RELATIVES_TOLD:
        yield _labelled("", f"and {len(relatives) - _RELATIVES_TOLD} more")


def _verdict_lines(verdicts: Iterable[Row]) -> Iterator[str]:
    for number, row in enumerate(verdicts):
        if number == 0:
            yield ""
        said = f"{_verdict_target(row)} {_VERDICTS[row['verdict']]} by {row['decided_by']}"
        said = f"{said} on {row['decided_at']:%Y-%m-%d}"
        reason = f": {row['reason']}" if row["reason"] else ""
        force = "" if row["is_in_force"] else " (superseded since)"
        yield from _labelled_lines("verdict", f"{said}{reason}{force}")


def _verdict_target(verdict: Row) -> str:
    """What the verdict is about; of a link its kind and seasons, as far as they were kept."""
    value = verdict["value"] or {}
    seasons = [value.get(name) for name in ("from_season_year", "season_year")]
    parts = [value.get("link_kind"), verdict["target_kind"]]
    parts += [f"{seasons[0]} to {seasons[1]}"] if all(seasons) else []
    return " ".join(part for part in parts if part)


def _footnote(story: Story) -> str:
    parts = ["Areas and rates ± 1 sigma; changes since the last whole look, * beyond 1.96 sigma."]
    if any(season.growth and season.growth["basis"] == "group" for season in story.seasons):
        parts.append("g: of its group, all that merges and splits connect, measured as one.")
    if any(season.links or season.events for season in story.seasons):
        parts.append("Confidence is calibrated on simulated histories.")
    if not any(season.growth for season in story.seasons):
        parts.append("No growth is measured: it needs two whole looks and `rts-track measure`.")
    return " ".join(parts)


def _bracket(after_on: dt.date | None, before_on: dt.date) -> str:
    return f"by {before_on}" if after_on is None else f"{after_on} to {before_on}"


def _days(first: dt.date | None, last: dt.date | None) -> str:
    """The day, or the first and the last one without what they share."""
    if first is None or last is None:
        return ""
    if first == last:
        return first.isoformat()
    if first.year != last.year:
        return f"{first}..{last}"
    return f"{first}..{last:%d}" if first.month == last.month else f"{first}..{last:%m-%d}"


def _years(track: Row) -> str:
    first, last = track["first_year"], track["last_year"]
    return f"{first}" if first == last else f"{first}-{last}"


def _short(track_id: str) -> str:
    return track_id[:_SHORT_ID]


def _labelled(label: str, text: str) -> str:
    return f"{label.ljust(_LABEL)} {text}"


def _labelled_lines(label: str, text: str) -> Iterator[str]:
    yield from _wrapped(_labelled(label, text), " " * (_LABEL + 1))


def _note(label: str, text: str) -> Iterator[str]:
    """A line below a season's, wrapped under itself."""
    lead = f"{_INDENT}{label.ljust(6)} "
    yield from _wrapped(f"{lead}{text}", " " * len(lead))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return wrap(text, WIDTH, subsequent_indent=indent, drop_whitespace=True)
