-- question: What should a person look at: which links, events and slumps are doubtful?
-- grain: one row per doubtful link, doubtful event and, if asked for, slump seen in one season only; an event that came with a listed link is told by that link
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   season: int = none: season of the later outline or of the event; none: every season
--   min_area_m2: double = 0 [m2]: smallest area of the link's later outline, or last area of the slump
--   below_confidence: double = 0.6 [1]: events of a lower confidence are listed
--   with_tentative: bool = false: true: slumps seen in one season only are listed as well, last
-- units:
--   what: text: link, event or track
--   event: text: kind of the event; empty: it is none
--   link: text: kind of the link, or of the link that the event rests on; empty: there is none
--   kind: text: landform or active zone
--   season_year: int: season of the later outline, of the event, or in which the slump was seen
--   confidence: double [1]: of the link or event; empty: it has none
--   why: text: what is doubtful about it
--   area_m2: double [m2]: area of the link's later outline, or last area of the slump
--   lon: double [degrees east]: longitude of a point on that outline
--   lat: double [degrees north]: latitude of that point
--   verdict_on: text: link or track: what `rts-track verdict accept` and `reject` are to be given
--   target_id: text: its id
--   track_id: text: slump of the later outline, or that the event happened to
--   related_track_id: text: slump of the earlier outline if it is another; merge: the one that goes on; split: the parent
--   from_outline_id: text: earlier outline of the link
--   to_outline_id: text: later outline of the link
--   is_provisional: bool: the next season may settle it by itself
--   event_id: text: id of the event
with asked as (
  select
    cast($kind as text) as kind,
    cast($season as integer) as season_year,
    cast($min_area_m2 as double precision) as min_area_m2,
    cast($below_confidence as double precision) as below_confidence,
    cast($with_tentative as boolean) as with_tentative
),
doubtful_link as (
  select
    link.link_id,
    link.kind as link,
    later_track.kind,
    link.to_year as season_year,
    link.confidence,
    later.area_m2,
    later.lon,
    later.lat,
    later.track_id,
    nullif(earlier.track_id, later.track_id) as related_track_id,
    link.from_outline_id,
    link.to_outline_id,
    link.is_provisional
  from link
  join outline as later
    on later.outline_id = link.to_outline_id
  join outline as earlier
    on earlier.outline_id = link.from_outline_id
  join track as later_track
    on later_track.track_id = later.track_id
  where link.is_ambiguous
    and link.origin <> 'person'
    and later_track.validity <> 'retracted'
),
doubtful_event as (
  select
    event.event_id,
    event.kind as event,
    track.kind,
    event.season_year,
    event.confidence,
    case
      when event.confidence < asked.below_confidence then 'its confidence is low'
      else 'its evidence asks for a person'
    end as why,
    track.area_m2,
    track.lon,
    track.lat,
    event.track_id,
    event.related_track_id,
    case event.kind when 'split' then event.related_track_id else event.track_id end
      as earlier_track_id,
    case event.kind when 'split' then event.track_id else event.related_track_id end
      as later_track_id,
    event.is_provisional
  from event
  join track
    on track.track_id = event.track_id
  cross join asked
  where track.validity <> 'retracted'
    and (
      event.confidence < asked.below_confidence
      or position(
        '"is_candidate_for_review":true' in replace(cast(event.evidence as text), ' ', '')
      ) > 0
    )
),
-- the link that a merge or split rests on: of several the one that shares most
event_link as (
  select
    doubtful_event.event_id,
    link.link_id,
    link.kind as link,
    link.origin,
    link.is_ambiguous,
    link.from_outline_id,
    link.to_outline_id,
    row_number() over (
      partition by doubtful_event.event_id
      order by link.overlap_m2 desc, link.link_id collate "C"
    ) as place
  from doubtful_event
  join outline as later
    on later.track_id = doubtful_event.later_track_id
    and later.season_year = doubtful_event.season_year
  join link
    on link.to_outline_id = later.outline_id
    and link.kind = doubtful_event.event
  join outline as earlier
    on earlier.outline_id = link.from_outline_id
    and earlier.track_id = doubtful_event.earlier_track_id
),
doubt as (
  select
    'link' as what,
    cast(null as text) as event,
    doubtful_link.link,
    doubtful_link.kind,
    doubtful_link.season_year,
    doubtful_link.confidence,
    'a rival is almost as good' as why,
    doubtful_link.area_m2,
    doubtful_link.lon,
    doubtful_link.lat,
    'link' as verdict_on,
    doubtful_link.link_id as target_id,
    doubtful_link.track_id,
    doubtful_link.related_track_id,
    doubtful_link.from_outline_id,
    doubtful_link.to_outline_id,
    doubtful_link.is_provisional,
    cast(null as text) as event_id
  from doubtful_link
  union all
  select
    'event' as what,
    doubtful_event.event,
    event_link.link,
    doubtful_event.kind,
    doubtful_event.season_year,
    doubtful_event.confidence,
    doubtful_event.why,
    doubtful_event.area_m2,
    doubtful_event.lon,
    doubtful_event.lat,
    case when event_link.link_id is null then 'track' else 'link' end as verdict_on,
    coalesce(event_link.link_id, doubtful_event.track_id) as target_id,
    doubtful_event.track_id,
    doubtful_event.related_track_id,
    event_link.from_outline_id,
    event_link.to_outline_id,
    doubtful_event.is_provisional,
    doubtful_event.event_id
  from doubtful_event
  left join event_link
    on event_link.event_id = doubtful_event.event_id
    and event_link.place = 1
  where event_link.link_id is null
    or (event_link.origin <> 'person' and not event_link.is_ambiguous)
  union all
  select
    'track' as what,
    cast(null as text) as event,
    cast(null as text) as link,
    track.kind,
    track.last_year as season_year,
    cast(null as double precision) as confidence,
    'it was seen in one season only' as why,
    track.area_m2,
    track.lon,
    track.lat,
    'track' as verdict_on,
    track.track_id as target_id,
    track.track_id,
    cast(null as text) as related_track_id,
    cast(null as text) as from_outline_id,
    cast(null as text) as to_outline_id,
    track.is_provisional,
    cast(null as text) as event_id
  from track
  cross join asked
  where asked.with_tentative
    and track.validity = 'tentative'
)
select
  doubt.what,
  doubt.event,
  doubt.link,
  doubt.kind,
  doubt.season_year,
  doubt.confidence,
  doubt.why,
  doubt.area_m2,
  doubt.lon,
  doubt.lat,
  doubt.verdict_on,
  doubt.target_id,
  doubt.track_id,
  doubt.related_track_id,
  doubt.from_outline_id,
  doubt.to_outline_id,
  doubt.is_provisional,
  doubt.event_id
from doubt
cross join asked
where (asked.kind is null or doubt.kind = asked.kind)
  and (asked.season_year is null or doubt.season_year = asked.season_year)
  and doubt.area_m2 >= asked.min_area_m2
-- the most doubtful first, and of those that are about as doubtful the largest
order by
  floor(doubt.confidence * 10) nulls last,
  doubt.area_m2 desc,
  doubt.confidence,
  doubt.what collate "C",
  doubt.target_id collate "C",
  doubt.event_id collate "C"
