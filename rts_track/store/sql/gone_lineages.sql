-- One row per lineage that has a series, but no track any more.
select distinct s.lineage_id
from lineage_state s
where not exists (
    select 1
    from track t
    where t.lineage_id = s.lineage_id
)
order by s.lineage_id
