-- One row per track of a kind that was seen in two seasons or more before a season and had not
-- merged away by then: its own outline in the last season but one, and the scene it follows.
with seen_season as (
    select
        t.track_id,
        s.season_year,
        s.source,
        s.observed_from,
        s.observed_to,
        row_number() over (partition by t.track_id order by s.season_year desc) as recency
    from track t
    join track_state s on s.track_id = t.track_id
    where t.kind = $kind
    and s.season_year < cast($season as integer)
    and s.state in ('observed', 'partial')
    and not exists (
        select 1
        from event e
        where e.track_id = t.track_id
        and e.kind = 'merge'
        and e.season_year < cast($season as integer)
    )
),
own_outline as (
    select
        o.*,
        s.observed_from,
        s.observed_to,
        row_number() over (
            partition by s.track_id
            order by o.area_m2 desc, o.outline_id
        ) as rank
    from seen_season s
    join outline o
        on o.track_id = s.track_id
        and o.season_year = s.season_year
        and o.source = s.source
    where s.recency = 2
),
followed_footprint as (
    select
        f.outline_id,
        f.scene_id,
        row_number() over (
            partition by f.outline_id
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
order by o.outline_id
