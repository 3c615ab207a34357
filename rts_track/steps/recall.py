"""The recall of a source, as a validation has measured it: whose model it is of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rts_track.store.base import Reader

STEP = "validate"


def searching_ensemble(store: Reader, source: str) -> str | None:
    """Digest of the ensemble that the source's current looks are of; None: several, or none."""
    looks = store.read("look", ["run_id"], {"source": source, "is_current": True, "status": "done"})
    run_ids = sorted(set(looks["run_id"].to_pylist()))
    runs = store.read("run", ["bundle_sha256"], {"run_id": run_ids})
    ensembles = set(runs["bundle_sha256"].to_pylist())
    return ensembles.pop() if len(ensembles) == 1 else None


def validated_recalls(store: Reader, ensemble_sha256: str) -> dict[str, float]:
    """The recall that was last written by `validate` for searches of the ensemble, by source."""
    scope = {"step": STEP, "bundle_sha256": ensemble_sha256}
    runs = store.read("run", ["params", "started_at"], scope).to_pylist()
    told = [json.loads(run["params"]) for run in sorted(runs, key=lambda run: run["started_at"])]
    return {params["source"]: params["recall"] for params in told}
