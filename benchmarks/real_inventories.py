"""The main job on the real inventories: what comes out per site, and how long each step takes.

Run: python benchmarks/real_inventories.py --data FOLDER [--store ADDRESS] [--out FILE.md]
The folder holds barth2023/ and nitze_labels/. The store must be empty; by default it is a file in a
temporary folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import tempfile
import time
from pathlib import Path

import rts_track
from rts_track.query import ask
from rts_track.source.request import ImportRequest
from rts_track.steps.exporting import export
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.store.base import Store, open_store

SITE_EVENTS = """
with track_site as (
    select distinct
        o.track_id,
        split_part(f.source_feature_id, '_', 1) as site
    from footprint f
    join outline o on o.outline_id = f.outline_id
    where f.source = 'barth2023'
    union
    select distinct
        o.track_id,
        'nitze'
    from footprint f
    join outline o on o.outline_id = f.outline_id
    where f.source = 'nitze-labels'
)
select
    s.site,
    count(distinct s.track_id) as tracks,
    count(distinct case when t.validity = 'confirmed' then s.track_id end) as confirmed,
    sum(case when e.kind = 'split' then 1 else 0 end) as splits,
    sum(case when e.kind = 'merge' then 1 else 0 end) as merges,
    sum(case when e.kind = 'first_seen' then 1 else 0 end) as first_seen,
    sum(case when e.kind = 'initiate' then 1 else 0 end) as initiated,
    sum(case when e.kind = 'stabilise' then 1 else 0 end) as stabilised
from track_site s
join track t on t.track_id = s.track_id
left join event e on e.track_id = s.track_id
group by s.site
order by s.site
"""

SITE_LINKS = """
select
    case when f.source = 'nitze-labels' then 'nitze'
        else split_part(f.source_feature_id, '_', 1) end as site,
    count(distinct l.link_id) as links,
    count(distinct case when l.is_ambiguous then l.link_id end) as ambiguous
from link l
join footprint f on f.outline_id = l.to_outline_id
group by 1
order by 1
"""

SITE_SEASON_AREA = """
select
    split_part(source_feature_id, '_', 1) as site,
    season_year,
    count(*) as footprints,
    sum(area_m2) as area_m2,
    sum(cast(json_extract_path_text(attributes, 'area_m²') as double precision)) as stated_m2
from footprint
where source = 'barth2023'
group by 1, 2
order by 1, 2
"""


def run(store: Store, data: Path, folder: Path) -> dict[str, float]:
    """Seconds of each step."""
    seconds: dict[str, float] = {}

    def timed(step, work):
        began = time.perf_counter()
        result = work()
        seconds[step] = round(time.perf_counter() - began, 2)
        return result

    barth = ImportRequest(reader="barth2023", looked_at="hull")
    timed("import barth2023", lambda: import_footprints(store, [data / "barth2023"], barth))
    nitze = ImportRequest(reader="nitze-labels")
    timed("import nitze-labels", lambda: import_footprints(store, [data / "nitze_labels"], nitze))
    timed("link", lambda: link(store))
    timed("measure", lambda: measure(store))
    timed("query growth-rate", lambda: ask(store, "growth-rate"))
    timed("query fastest-growers", lambda: ask(store, "fastest-growers", {"season": "2020"}))
    timed("export", lambda: export(store, folder / "export"))
    return seconds


def page(store: Store, seconds: dict[str, float]) -> str:
    """What came out, as Markdown."""
    lines = [
        "# The real inventories",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, rts-track {rts_track.__version__},"
        f" Python {platform.python_version()}, {store.url.split(':')[0]}, two CPU cores.",
        "Five Siberian sites of Barth et al. 2023 (`--looked-at hull`) and the Nitze labels.",
        "",
        "| step | s |",
        "|---|---|",
        *(f"| {step} | {took} |" for step, took in seconds.items()),
        "",
        "| site | tracks | seen twice or more | splits | merges | first seen | initiated"
        " | stabilised | links | ambiguous |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    links = {row["site"]: row for row in store.query(SITE_LINKS).to_pylist()}
    for row in store.query(SITE_EVENTS).to_pylist():
        linked = links[row["site"]]
        share = linked["ambiguous"] / linked["links"]
        cells = [*(str(int(v)) if k != "site" else v for k, v in row.items())]
        lines.append(f"| {' | '.join(cells)} | {linked['links']} | {share:.1%} |")
    lines += [
        "",
        "Area per site and season beside the sum of the source's own `area_m²`, in hectares:",
        "",
        "| site | season | footprints | area | stated | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in store.query(SITE_SEASON_AREA).to_pylist():
        lines.append(
            f"| {row['site']} | {row['season_year']} | {row['footprints']}"
            f" | {row['area_m2'] / 1e4:.2f} | {row['stated_m2'] / 1e4:.2f}"
            f" | {row['area_m2'] / row['stated_m2']:.4f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--store")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.store or f"duckdb:///{folder}/real.duckdb"
        with open_store(url) as store:
            store.init()
            seconds = run(store, given.data, Path(folder))
            text = page(store, seconds)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    print(text)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
