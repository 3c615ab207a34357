"""The recall of a source, as a validation has measured it: of which searches it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rts_track.domain import canonical_json

if TYPE_CHECKING:
    from rts_track.store.base import Reader

STEP = "validate"
SEARCHES = "searches"
"""Where the parameters of a run of `validate` hold those of the searches that it judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searches:
    """What a source's current looks are of.

    Attributes:
        ensemble_sha256: digest of the ensemble; None: of several, or of none.
        how: the parameters of the searches but the scene, each once, as JSON.
    """

    ensemble_sha256: str | None
    how: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedRecall:
    """A recall, and the parameters of the searches that it holds for."""

    recall: float
    how: frozenset[str]

    def holds_for(self, params: Mapping[str, object]) -> bool:
        """Whether it is that of searches with these parameters."""
        return canonical_json(params) in self.how


def current_searches(store: Reader, source: str) -> Searches:
    """What the source's current looks are of."""
    looks = store.read("look", ["run_id"], {"source": source, "is_current": True, "status": "done"})
    run_ids = sorted(set(looks["run_id"].to_pylist()))
    runs = store.read("run", ["bundle_sha256", "params"], {"run_id": run_ids}).to_pylist()
    ensembles = {run["bundle_sha256"] for run in runs}
    return Searches(
        ensemble_sha256=ensembles.pop() if len(ensembles) == 1 else None,
        how=tuple(sorted({_without_scene(run["params"]) for run in runs})),
    )


def validated_recalls(store: Reader, ensemble_sha256: str) -> dict[str, ValidatedRecall]:
    """The recall that `validate` last wrote for searches of the ensemble, by source."""
    scope = {"step": STEP, "bundle_sha256": ensemble_sha256}
    runs = store.read("run", ["params", "started_at"], scope).to_pylist()
    told = [json.loads(run["params"]) for run in sorted(runs, key=lambda run: run["started_at"])]
    return {
        params["source"]: ValidatedRecall(recall=params["recall"], how=frozenset(params[SEARCHES]))
        for params in told
    }


def _without_scene(params: str) -> str:
    how = json.loads(params)
    how.pop("scene", None)
    return canonical_json(how)
