"""Tracks of the Barth sites: figures to check links on by eye, and how many links are doubtful.

Run: python benchmarks/barth_tracks.py --data FOLDER [--out docs/images] [--page FILE.md]
The folder holds barth2023/. Everything is imported and linked anew in a temporary store; then the
figures are drawn and the part of the page between its two marks is written.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import rts_track
from rts_track.query import ask
from rts_track.report.stories import TILES, link_figure, story_figure
from rts_track.report.views import PlaceTables, busiest_place
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.store.base import Store, open_store

SHOWN = ("ET", "WT")
"""The sites with figures: those with most splits and merges."""
LINK_KINDS = ("main", "gap", "split", "merge", "fragment")
BEGIN = "<!-- written by benchmarks/barth_tracks.py -->"
END = "<!-- end of what is written -->"

_DPI = 130
_COLOURS = 256
_ROUNDS = 3
"""Of k-means over the colours, without which the few pixels of arrows turn another colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site's name, outlines and links."""

    name: str
    tables: PlaceTables


def read_sites(store: Store) -> list[Site]:
    """The sites, by the names of the files that their footprints came in."""
    footprints = store.read("footprint", ["outline_id", "source_feature_id"])
    site_of = {
        outline: feature.split("_")[0]
        for outline, feature in zip(*(column.to_pylist() for column in footprints), strict=True)
    }
    outlines = store.read(
        "outline", ["outline_id", "track_id", "season_year", "lon", "lat", "geometry"]
    )
    links = store.read("link")
    return [
        Site(
            name=name,
            tables=PlaceTables(
                outline=_of(outlines, "outline_id", site_of, name),
                link=_of(links, "to_outline_id", site_of, name),
            ),
        )
        for name in sorted(set(site_of.values()))
    ]


def _of(table: pa.Table, column: str, site_of: dict[str, str], name: str) -> pa.Table:
    own = pa.array([outline for outline, site in site_of.items() if site == name])
    return table.filter(pc.is_in(table[column], own))


def figures(site: Site, folder: Path) -> list[str]:
    """Draw the site's figures; the lines of the page that show them."""
    place = busiest_place(site.tables)
    told = site.tables.outline.filter(
        pc.is_in(site.tables.outline["outline_id"], pa.array(sorted(place)))
    )
    lon, lat = (pc.mean(told[name]).as_py() for name in ("lon", "lat"))
    title = f"{site.name}, about {lat:.3f}° N {lon:.3f}° E: tracks, season by season"
    save(story_figure(site.tables, title, place), folder / f"tracks-{site.name}.png")
    figure, n_links = link_figure(site.tables, f"{site.name}: links beyond mere continuation")
    save(figure, folder / f"links-{site.name}.png")
    which = "All" if n_links <= TILES else f"The {TILES} largest of {n_links}"
    return [
        f"## {site.name}",
        "",
        f"The place where most splits and merges lie together, {lat:.4f}° N {lon:.4f}° E:",
        "",
        f"![Outlines of {site.name} by season, coloured by track](images/tracks-{site.name}.png)",
        "",
        f"{which} splits, merges, fragments, and gaps between two tracks, a panel each, by size:",
        "",
        f"![Splits, merges and fragments of {site.name}](images/links-{site.name}.png)",
        "",
    ]


def save(figure, path: Path) -> None:
    """Save the figure with few colours: a third of the bytes, and no difference to the eye."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI, facecolor="white", format="png")
    picture = Image.open(drawn).convert("RGB")
    few = picture.quantize(_COLOURS, kmeans=_ROUNDS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def table(sites: list[Site], queue: pa.Table) -> list[str]:
    """How many links there are of each kind at each site, and how many are doubtful."""
    lines = [
        f"| site | seasons | outlines | tracks | {' | '.join(LINK_KINDS)} | links | ambiguous"
        " | share | in the review queue |",
        "|---" * (9 + len(LINK_KINDS)) + "|",
    ]
    totals = Counter[str]()
    for site in sites:
        counts = _counts(site, queue)
        totals += counts
        lines.append(_line(site.name, counts))
    return [*lines, _line("all", totals)]


def _counts(site: Site, queue: pa.Table) -> Counter[str]:
    outline, links = site.tables.outline, site.tables.link
    tracks = set(outline["track_id"].to_pylist())
    return Counter(
        {
            **Counter(links["kind"].to_pylist()),
            "seasons": len(set(outline["season_year"].to_pylist())),
            "outlines": outline.num_rows,
            "tracks": len(tracks),
            "links": links.num_rows,
            "ambiguous": sum(links["is_ambiguous"].to_pylist()),
            "queue": sum(track in tracks for track in queue["track_id"].to_pylist()),
        }
    )


def _line(name: str, counts: Counter[str]) -> str:
    seasons = "" if name == "all" else counts["seasons"]
    share = f"{counts['ambiguous'] / max(counts['links'], 1):.1%}"
    kinds = [counts[kind] for kind in LINK_KINDS]
    cells = [name, seasons, counts["outlines"], counts["tracks"], *kinds]
    cells += [counts["links"], counts["ambiguous"], share, counts["queue"]]
    return f"| {' | '.join(map(str, cells))} |"


def write_page(page: Path, lines: list[str]) -> None:
    """Put the lines between the page's two marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    written = "\n".join([BEGIN, "", *lines, END])
    page.write_text(f"{before}{written}{after}", encoding="utf-8")


def main() -> None:
    """Run it."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=docs / "images")
    parser.add_argument("--page", type=Path, default=docs / "real-tracks.md")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"duckdb:///{folder}/barth.duckdb") as store,
    ):
        store.init()
        request = ImportRequest(reader="barth2023", looked_at="hull")
        import_footprints(store, [given.data / "barth2023"], request)
        link(store)
        sites, queue = read_sites(store), ask(store, "review-queue")
    lines = [f"With rts-track {rts_track.__version__}:", "", *table(sites, queue), ""]
    for site in sites:
        if site.name in SHOWN:
            lines += figures(site, given.out)
    write_page(given.page, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
