-- One row per event that was decided in a season or later.
select e.event_id
from event e
where cast(json_extract_path_text(e.evidence, 'decided_in') as integer) >= cast($season as integer)
order by e.event_id
