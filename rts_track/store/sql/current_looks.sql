-- One row per finished, current look of any area: which kind and season it counts for, and what it counts.
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
and l.looked_area_m2 > 0
order by s.kind, l.season_year, l.look_id
