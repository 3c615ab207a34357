-- One row per current footprint of a kind and season that no verdict rejects, in the order of ids:
-- neither drawn anew by its source, nor of a look that a later search superseded.
select
    f.footprint_id,
    f.source,
    f.scene_id,
    f.outline_id,
    f.observed_from,
    f.observed_to,
    f.prob_mean,
    f.area_m2,
    f.perimeter_m,
    f.is_clipped,
    f.lon,
    f.lat,
    coalesce(c.gsd_m, s.gsd_m) as gsd_m,
    s.delineation_sigma_m,
    f.geometry
from footprint f
join source s on s.source = f.source
left join scene c on c.scene_id = f.scene_id
where s.kind = $kind
and f.season_year = cast($season as integer)
and not exists (
    select 1
    from rts_track_internal.superseded_footprint o
    where o.footprint_id = f.footprint_id
)
and not exists (
    select 1
    from look l
    where l.look_id = f.look_id
    and not (l.is_current and l.status = 'done')
)
and not exists (
    select 1
    from verdict v
    where v.target_kind = 'footprint'
    and v.target_id = f.footprint_id
    and v.verdict = 'reject'
    and not exists (
        select 1
        from verdict later
        where later.supersedes = v.verdict_id
    )
)
order by f.footprint_id
