-- One row per kind and season with footprints or current looks: a digest of what linking reads.
-- A verdict counts in the season that it touches: its footprint's, the later one of a link, the
-- last one of a track.
with verdict_in_force as (
    select
        v.target_kind,
        v.target_id,
        v.verdict,
        v.value,
        concat_ws(
            ' ',
            v.verdict,
            v.target_kind,
            v.target_id,
            coalesce(json_extract_path_text(v.value, 'link_kind'), '')
        ) as line
    from verdict v
    where not exists (
        select 1
        from verdict later
        where later.supersedes = v.verdict_id
    )
),
current_footprint as (
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
    and not exists (
        select 1
        from look l
        where l.look_id = f.look_id
        and not (l.is_current and l.status = 'done')
    )
    and not exists (
        select 1
        from verdict_in_force v
        where v.target_kind = 'footprint'
        and v.target_id = f.footprint_id
        and v.verdict = 'reject'
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
    and l.looked_area_m2 > 0
),
ruling as (
    select
        json_extract_path_text(v.value, 'kind') as kind,
        cast(json_extract_path_text(v.value, 'season_year') as integer) as season_year,
        v.line
    from verdict_in_force v
),
input_line as (
    select kind, season_year, line, 1 as n_found from current_footprint
    union all
    select kind, season_year, line, 1 as n_found from current_look
    union all
    select kind, season_year, line, 0 as n_found from ruling
)
select
    kind,
    season_year,
    md5(string_agg(line, ',' order by line)) as inputs
from input_line
group by kind, season_year
having max(n_found) = 1
order by kind, season_year
