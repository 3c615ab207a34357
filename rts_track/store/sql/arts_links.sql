-- One row per link between outlines of landforms.
select
    l.from_outline_id,
    l.to_outline_id,
    l.to_year,
    l.kind,
    l.origin,
    l.is_ambiguous
from link l
join outline o on o.outline_id = l.to_outline_id
where o.kind = 'landform'
order by l.link_id
