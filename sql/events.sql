-- question: What happened to the slumps, and between which dates?
-- grain: one row per event; those of retracted tracks are left out
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   event: text in initiate|first_seen|merge|split|stabilise|reactivate|reinitiate = none: what happened; none: everything
--   season: int = none: season of the event; none: every season
--   min_area_m2: double = 0 [m2]: smallest last area of the track
-- units:
--   season_year: int: season of the event
--   event: text: initiate, first_seen, merge, split, stabilise, reactivate or reinitiate
--   kind: text: landform or active zone
--   validity: text: of the track: confirmed, or tentative (seen in one season)
--   track_id: text: slump that it happened to
--   related_track_id: text: merge: the track that goes on; split: the parent
--   after_on: date: it happened after this day; empty: unknown
--   before_on: date: it happened before this day, or on it
--   confidence: double [1]: how far the evidence carries; not calibrated
--   is_provisional: bool: may be settled once by the next season
--   area_m2: double [m2]: last area of the track
--   lon: double [degrees east]: longitude of a point on the track's last outline
--   lat: double [degrees north]: latitude of that point
--   evidence: json: figures behind it
--   event_id: text: id of the event
with asked as (
  select
    cast($kind as text) as kind,
    cast($event as text) as event,
    cast($season as integer) as season_year,
    cast($min_area_m2 as double precision) as min_area_m2
)
select
  event.season_year,
  event.kind as event,
  track.kind,
  track.validity,
  event.track_id,
  event.related_track_id,
  event.after_on,
  event.before_on,
  event.confidence,
  event.is_provisional,
  track.area_m2,
  track.lon,
  track.lat,
  event.evidence,
  event.event_id
from event
join track
  on track.track_id = event.track_id
cross join asked
where track.validity <> 'retracted'
  and (asked.kind is null or track.kind = asked.kind)
  and (asked.event is null or event.kind = asked.event)
  and (asked.season_year is null or event.season_year = asked.season_year)
  and track.area_m2 >= asked.min_area_m2
order by
  event.season_year,
  event.kind collate "C",
  track.kind collate "C",
  track.validity collate "C",
  event.track_id collate "C",
  event.event_id collate "C"
