-- One row per finished, current look: which kind and season it counts for, and what it counts.
select
    s.kind,
    l.season_year,
    l.look_id,
    l.basis,
    l.looked_area_m2
from look l
join source s on s.source = l.source
where l.is_current
and l.status = 'done'
order by s.kind, l.season_year, l.look_id
