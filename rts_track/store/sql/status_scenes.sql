-- One row per source with scenes that `ingest` registered: how many of them were searched. A scene
-- whose last search failed may have been searched before, with another model.
with scene_search as (
    select
        c.scene_id,
        c.source,
        c.season_year,
        exists (
            select 1
            from look l
            where l.scene_id = c.scene_id
            and l.is_current
            and l.status = 'done'
        ) as is_searched,
        exists (
            select 1
            from look l
            where l.scene_id = c.scene_id
            and l.is_current
            and l.status = 'failed'
        ) as is_failed
    from scene c
    where c.content_sha256 is not null
)
select
    source,
    count(*) as n_registered,
    count(*) filter (where is_searched) as n_searched,
    count(*) filter (where is_failed) as n_failed,
    count(*) filter (where not is_searched and not is_failed) as n_waiting,
    min(season_year) as first_year,
    max(season_year) as last_year
from scene_search
group by source
order by source
