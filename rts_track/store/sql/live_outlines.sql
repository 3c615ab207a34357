-- One row per track of a kind that was seen before a season and had not merged away by then:
-- its own latest outline, the scene that outline follows, the last season that looks missed it
-- since, and the season it stabilised in since. Where it was in pieces then, one row a piece, the
-- largest of rank 1.
with last_seen as (
    select
        t.track_id,
        min(s.season_year) as first_year,
        max(s.season_year) as season_year,
        cast(count(*) as integer) as n_seen
    from track t
    join track_state s on s.track_id = t.track_id
    where t.kind = $kind
    and s.season_year < cast($season as integer)
    and s.state in ('observed', 'partial')
    group by t.track_id
),
own_outline as (
    select
        o.*,
        s.observed_from,
        s.observed_to,
        row_number() over (
            partition by l.track_id
            order by o.area_m2 desc, o.outline_id
        ) as rank
    from last_seen l
    join track_state s on s.track_id = l.track_id and s.season_year = l.season_year
    join outline o
        on o.track_id = l.track_id
        and o.season_year = l.season_year
        and o.source = s.source
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
    o.rank,
    f.scene_id,
    l.first_year,
    l.n_seen,
    (
        select max(a.season_year)
        from track_state a
        where a.track_id = o.track_id
        and a.season_year > o.season_year
        and a.season_year < cast($season as integer)
        and a.state = 'absent'
    ) as missed_year,
    (
        select count(*)
        from track_state a
        where a.track_id = o.track_id
        and a.season_year > o.season_year
        and a.season_year < cast($season as integer)
        and a.state = 'absent'
    ) as n_absent,
    (
        select max(e.season_year)
        from event e
        where e.track_id = o.track_id
        and e.kind = 'stabilise'
        and e.season_year > o.season_year
        and cast(json_extract_path_text(e.evidence, 'decided_in') as integer)
            < cast($season as integer)
    ) as stable_year,
    o.geometry
from own_outline o
join last_seen l on l.track_id = o.track_id
join followed_footprint f on f.outline_id = o.outline_id and f.rank = 1
where not exists (
    select 1
    from event e
    where e.track_id = o.track_id
    and e.kind = 'merge'
    and e.season_year < cast($season as integer)
)
order by o.rank, o.outline_id
