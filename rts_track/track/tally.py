"""How much was right of what is true and of what was found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many there truly are, how many were found, and how many of these are right."""

    n_true: int = 0
    n_found: int = 0
    n_right: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            n_true=self.n_true + other.n_true,
            n_found=self.n_found + other.n_found,
            n_right=self.n_right + other.n_right,
        )

    @property
    def precision(self) -> float | None:
        """Share of the found that is right; None if nothing was found."""
        return self.n_right / self.n_found if self.n_found else None

    @property
    def recall(self) -> float | None:
        """Share of the true that was found; None if there is nothing true."""
        return self.n_right / self.n_true if self.n_true else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if nothing is true and nothing found."""
        n_both = self.n_true + self.n_found
        return 2.0 * self.n_right / n_both if n_both else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well two ways to divide the same things agree: means of shares, not a count.

    `n_true` things enter the recall, `n_found` the precision; without any, that is None.
    """

    n_true: int = 0
    n_found: int = 0
    precision: float | None = None
    recall: float | None = None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if either is."""
        if self.precision is None or self.recall is None:
            return None
        both = self.precision + self.recall
        return 2.0 * self.precision * self.recall / both if both else 0.0
