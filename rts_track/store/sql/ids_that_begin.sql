-- Ids of tracks, in use or former, that begin with $prefix; at most $at_most.
select
    track.track_id as id
from track
where starts_with(track.track_id, cast($prefix as text))
union
select
    track_alias.old_track_id as id
from track_alias
where starts_with(track_alias.old_track_id, cast($prefix as text))
order by id
limit cast($at_most as integer)
