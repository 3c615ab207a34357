-- question: Which slumps are there, where, and how large were they last?
-- grain: one row per track; retracted ones are left out
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   min_area_m2: double = 0 [m2]: smallest last area
-- units:
--   kind: text: landform or active zone
--   validity: text: confirmed, or tentative (seen in one season)
--   track_id: text: the slump
--   lineage_id: text: family of tracks that splits and merges connect
--   activity: text: its last known state: active, stable, merged or unknown
--   activity_year: int: season of that state
--   first_year: int: first season with an outline
--   last_year: int: last season with an outline
--   n_seasons_observed: int: seasons with an outline
--   area_m2: double [m2]: area of its last outline
--   lon: double [degrees east]: longitude of a point on its last outline
--   lat: double [degrees north]: latitude of that point
--   is_provisional: bool: may be settled once by the next season
with asked as (
  select
    cast($kind as text) as kind,
    cast($min_area_m2 as double precision) as min_area_m2
)
select
  track.kind,
  track.validity,
  track.track_id,
  track.lineage_id,
  track.activity,
  track.activity_year,
  track.first_year,
  track.last_year,
  track.n_seasons_observed,
  track.area_m2,
  track.lon,
  track.lat,
  track.is_provisional
from track
cross join asked
where track.validity <> 'retracted'
  and (asked.kind is null or track.kind = asked.kind)
  and track.area_m2 >= asked.min_area_m2
order by
  track.kind collate "C",
  track.validity collate "C",
  track.area_m2 desc,
  track.track_id collate "C"
