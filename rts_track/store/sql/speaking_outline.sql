-- One row: the outline that speaks for the place of a given one in its season, with the scene it
-- follows: itself, if it is of the source that does, else the largest of that source's. None where
-- its track has no state in that season.
with place as (
    select
        o.outline_id,
        o.track_id,
        o.season_year,
        s.source,
        s.observed_from,
        s.observed_to
    from outline o
    join track_state s on s.track_id = o.track_id and s.season_year = o.season_year
    where o.outline_id = $outline_id
),
own_outline as (
    select
        o.*,
        p.observed_from,
        p.observed_to,
        row_number() over (
            order by
                case when o.outline_id = p.outline_id then 0 else 1 end,
                o.area_m2 desc,
                o.outline_id
        ) as rank
    from place p
    join outline o
        on o.track_id = p.track_id
        and o.season_year = p.season_year
        and o.source = p.source
),
followed_footprint as (
    select
        f.outline_id,
        f.scene_id,
        row_number() over (
            order by
                abs(f.area_m2 - o.area_m2),
                f.is_clipped,
                coalesce(c.gsd_m, s.gsd_m) nulls last,
                f.footprint_id
        ) as rank
    from own_outline o
    join footprint f on f.outline_id = o.outline_id
    join source s on s.source = f.source
    left join scene c on c.scene_id = f.scene_id
    where o.rank = 1
)
select
    o.outline_id,
    o.track_id,
    o.source,
    o.season_year,
    o.observed_on,
    o.observed_from,
    o.observed_to,
    o.area_m2,
    o.area_sigma_m2,
    o.is_clipped,
    o.lon,
    o.lat,
    f.scene_id,
    o.geometry
from own_outline o
join followed_footprint f on f.outline_id = o.outline_id and f.rank = 1
where o.rank = 1
