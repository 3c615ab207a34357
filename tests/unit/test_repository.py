"""What the repository says of itself is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rts_track
from rts_track.contract import CONTRACT

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_the_citation_is_that_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == rts_track.__version__
    assert re.search(r"^license: MIT$", citation, re.MULTILINE)
    assert "cff-version: 1.2.0" in citation


def test_decisions_are_numbered_without_a_gap():
    assert [path.name[:4] for path in DECISIONS] == [f"{n + 1:04d}" for n in range(len(DECISIONS))]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_is_short_and_has_context_choice_and_consequence(decision):
    text = decision.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {decision.name[:4]} ")
    for word in ("**Context.**", "**Choice.**", "**Consequence.**"):
        assert word in text


def test_hooks_are_local_and_fetch_nothing():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}


@pytest.mark.parametrize(
    "document", ["CONTRIBUTING.md", "docs/dictionary.md", "docs/decisions/README.md"]
)
def test_links_lead_somewhere(document):
    path = ROOT / document
    targets = re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    for target in targets:
        file, _, anchor = target.partition("#")
        assert (path.parent / file).exists() if file else anchor in CONTRACT


def test_every_defect_met_elsewhere_has_its_test():
    text = (ROOT / "docs" / "known-defects.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    named = re.compile(r"`(tests/[\w/.]+)::(test_\w+)`")
    for row in rows:
        what, _, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert named.search(tests) or what.startswith("**"), what
    for file, test in named.findall(text):
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
