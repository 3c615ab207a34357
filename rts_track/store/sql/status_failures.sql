-- One row per search that failed and was not done since: which scene, and why; the first few.
select
    l.scene_id,
    l.failure
from look l
where l.is_current
and l.status = 'failed'
order by l.scene_id, l.look_id
limit cast($most as integer)
