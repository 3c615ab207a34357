-- One row: what waits for a step. A superseded footprint whose feature has a successor waits for
-- nothing, nor does one of a superseded look, or one that a verdict rejects; a track seen whole in one season only has no growth to measure.
with unlinked as (
    select count(*) as n
    from footprint f
    where f.outline_id is null
    and not exists (
        select 1
        from look l
        where l.look_id = f.look_id
        and not (l.is_current and l.status = 'done')
    )
    and not exists (
        select 1
        from footprint g
        where g.source = f.source
        and g.source_feature_id = f.source_feature_id
        and g.footprint_id <> f.footprint_id
        and g.outline_id is not null
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
),
measurable as (
    select track_id
    from track_state
    where state = 'observed'
    group by track_id
    having count(*) > 1
),
unmeasured as (
    select count(*) as n
    from measurable m
    where not exists (select 1 from growth)
)
select
    u.n as n_unlinked,
    m.n as n_unmeasured
from unlinked u
cross join unmeasured m
