-- One row per footprint that is in an outline and must not be: superseded, itself or its look, or
-- rejected by a verdict.
select f.footprint_id
from footprint f
where f.outline_id is not null
and (
    exists (
        select 1
        from rts_track_internal.superseded_footprint o
        where o.footprint_id = f.footprint_id
    )
    or exists (
        select 1
        from look l
        where l.look_id = f.look_id
        and not (l.is_current and l.status = 'done')
    )
    or exists (
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
)
order by f.footprint_id
