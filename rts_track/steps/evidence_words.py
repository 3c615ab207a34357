"""What an event rests on, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]

_DECISION = ("decided_in", "from_year", "recall", "is_candidate_for_review")
_RESTS_ON_RECALL = ("initiate", "stabilise")
_COUNTS = {
    "seasons_missed": "missed in {} that looked",
    "seasons_seen": "known for {} before",
    "seasons_seen_of_parent": "its parent known for {} before",
    "seasons_seen_into": "the other one known for {} before",
}
_SHARES = {
    "cover": "{} of it lies within the other",
    "share": "{} of both together",
}


def evidence_words(event: Row) -> Iterator[str]:
    """What an event rests on, in words; a figure that has no words of its own by its name."""
    for name, value in event["evidence"].items():
        if name in _DECISION:
            yield from _decision_words(event, name, value)
        elif name == "seasons_seen" and event["kind"] == "split":
            yield from _figure_words("seasons_seen_of_parent", value)
        else:
            yield from _figure_words(name, value)


def _decision_words(event: Row, name: str, value: object) -> Iterator[str]:
    """When it was decided, since when, on what recall, and if for a person; not what is plain."""
    if name == "decided_in":
        if value != event["season_year"]:
            yield f"decided in {value}"
    elif name == "from_year":
        if event["after_on"] is None or value != event["after_on"].year:
            yield f"since {value}"
    elif name == "recall":
        if value is not None:
            yield f"recall {_value_text(value)}"
        elif event["kind"] in _RESTS_ON_RECALL:
            yield "recall of its source unknown"
    elif value:
        yield "A PERSON SHOULD LOOK"


def _figure_words(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401
    """A figure in words; nothing for what is unknown, or goes without saying."""
    if value is None or value == "":
        return
    if name == "seasons_looked_at_before":
        yield f"{counted(value, 'season')} looked here before" if value else "no look before"
    elif name in _COUNTS:
        if value:
            yield _COUNTS[name].format(counted(value, "season"))
    elif name in _SHARES:
        yield _SHARES[name].format(share_text(value))
    elif name == "next_season":
        yield f"{value} in the next season"
    elif name == "pieces":
        yield f"one of {value} pieces"
    else:
        yield f"{_words_of(name)} {_value_text(value)}".strip()


def _words_of(name: str) -> str:
    """A name of evidence as words: its unit is told with the value."""
    return name.removeprefix("is_").replace("_", " ")


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(_value_text(each) for each in value)
    return str(value)


def counted(count: int, noun: str) -> str:
    """So many of them: 1 season, 2 seasons."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def share_text(value: float) -> str:
    """A share to two digits; only what is certain reads as 1."""
    return f"{value:.2f}" if value == 1.0 else f"{min(value, 0.99):.2f}"
