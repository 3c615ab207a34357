-- One row per row that a later season may settle: its table, id, kind and season.
select
    'track' as table_name,
    t.track_id as row_id,
    t.kind,
    t.first_year as season_year
from track t
where t.is_provisional
union all
select
    'event',
    e.event_id,
    t.kind,
    e.season_year
from event e
join track t on t.track_id = e.track_id
where e.is_provisional
union all
select
    'link',
    l.link_id,
    o.kind,
    l.to_year
from link l
join outline o on o.outline_id = l.to_outline_id
where l.is_provisional
order by table_name, row_id
