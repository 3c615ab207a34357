-- One row per kind and basis of looks.
select
    s.kind,
    l.basis,
    count(*) filter (where l.status = 'done' and l.is_current) as n_looks,
    count(*) filter (where l.status = 'failed' and l.is_current) as n_failed,
    min(l.season_year) as first_year,
    max(l.season_year) as last_year
from look l
join source s on s.source = l.source
group by s.kind, l.basis
order by s.kind, l.basis
