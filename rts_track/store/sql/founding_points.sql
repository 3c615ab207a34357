-- One row per track without a region of the set: where its founding outline lies.
with ranked_outline as (
    select
        o.track_id,
        o.lon,
        o.lat,
        row_number() over (partition by o.track_id order by o.season_year, o.outline_id) as rank
    from outline o
    where o.track_id is not null
)
select
    r.track_id,
    r.lon,
    r.lat
from ranked_outline r
where r.rank = 1
and not exists (
    select 1
    from track_region t
    where t.track_id = r.track_id
    and t.region_set = $region_set
)
order by r.track_id
