-- One row per current look of any area, of a kind and season, in the order of their ids.
select
    l.look_id,
    l.basis,
    l.from_on,
    l.to_on,
    s.recall,
    l.geometry
from look l
join source s on s.source = l.source
where s.kind = $kind
and l.season_year = cast($season as integer)
and l.is_current
and l.status = 'done'
and l.looked_area_m2 > 0
order by l.look_id
