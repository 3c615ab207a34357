-- One row per kind and season with footprints or current looks: a digest of what linking reads.
with current_footprint as (
    select
        s.kind,
        f.season_year,
        concat_ws(
            ' ',
            f.footprint_id,
            f.observed_from,
            f.observed_to,
            coalesce(f.scene_id, ''),
            cast(f.is_clipped as integer),
            cast(s.delineation_sigma_m as decimal(18, 6)),
            cast(coalesce(s.recall, -1) as decimal(18, 6)),
            cast(coalesce(f.prob_mean, -1) as decimal(18, 6)),
            cast(coalesce(c.gsd_m, s.gsd_m, -1) as decimal(18, 6))
        ) as line
    from footprint f
    join source s on s.source = f.source
    left join scene c on c.scene_id = f.scene_id
    where not exists (
        select 1
        from rts_track_internal.superseded_footprint o
        where o.footprint_id = f.footprint_id
    )
),
current_look as (
    select
        s.kind,
        l.season_year,
        concat_ws(
            ' ',
            l.look_id,
            l.from_on,
            l.to_on,
            l.basis,
            cast(l.looked_area_m2 as decimal(18, 3)),
            cast(coalesce(s.recall, -1) as decimal(18, 6))
        ) as line
    from look l
    join source s on s.source = l.source
    where l.is_current
    and l.status = 'done'
),
input_line as (
    select kind, season_year, line from current_footprint
    union all
    select kind, season_year, line from current_look
)
select
    kind,
    season_year,
    md5(string_agg(line, ',' order by line)) as inputs
from input_line
group by kind, season_year
order by kind, season_year
