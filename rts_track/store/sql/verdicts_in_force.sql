-- One row per verdict that none supersedes, the latest last.
select
    v.verdict_id,
    v.target_kind,
    v.target_id,
    v.verdict,
    v.value,
    v.decided_by,
    v.decided_at,
    v.reason
from verdict v
where not exists (
    select 1
    from verdict later
    where later.supersedes = v.verdict_id
)
order by v.decided_at, v.verdict_id
