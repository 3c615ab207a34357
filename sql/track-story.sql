-- question: What is known of one slump, season by season?
-- grain: one row per former id, state, event and interval of the track that the id stands for, retracted or tentative ones too
-- params:
--   track_id: text: id of the track, in use or former
-- units:
--   season_year: int: season of the state or event, season at the end of the interval; empty: former id
--   chapter: text: alias (a former id), state, event or growth
--   what: text: reason of the alias; state; kind of the event; basis of the growth: track, or group at a merge or split
--   track_id: text: the track; of an event that befell another one, that one; empty: the id was retracted
--   related_id: text: former id; merge: the track that goes on; split: the parent; growth: its group
--   from_year: int: season at the start of the interval
--   from_on: date: state: first day it may have been seen, or was searched for; event: it happened after this day; growth: day at the start
--   to_on: date: state: last day of that; event: it happened before this day, or on it; growth: day at the end
--   area_m2: double [m2]: area of its outline
--   area_sigma_m2: double [m2]: 1 sigma of that area
--   coverage_frac: double [1]: share of it that looks cover; empty: unknown
--   area_change_m2: double [m2]: area at the end of the interval less area at the start
--   area_rate_m2_yr: double [m2/a]: that change per calendar year
--   area_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that rate
--   is_significant: bool: the change lies beyond 1.96 sigma
--   confidence: double [1]: how far the event's evidence carries; not calibrated
--   is_provisional: bool: the next season may settle the event otherwise
with asked as (
  select
    cast($track_id as text) as track_id
),
-- a lineage's former id may be the id of a track that is still in use
former_id as (
  select
    track_alias.*
  from track_alias
  left join track
    on track.track_id = track_alias.old_track_id
    and track.validity <> 'retracted'
  where track.track_id is null
),
told_track as (
  select
    coalesce(former_id.track_id, asked.track_id) as track_id
  from asked
  left join former_id
    on former_id.old_track_id = asked.track_id
),
page as (
  select
    'alias' as chapter,
    1 as chapter_number,
    cast(null as integer) as season_year,
    0 as from_year,
    former_id.reason as what,
    former_id.old_track_id as page_key
  from told_track
  join former_id
    on coalesce(former_id.track_id, former_id.old_track_id) = told_track.track_id
  union all
  select
    'state' as chapter,
    2 as chapter_number,
    track_state.season_year,
    0 as from_year,
    track_state.state as what,
    track_state.track_id as page_key
  from told_track
  join track_state
    on track_state.track_id = told_track.track_id
  union all
  select
    'event' as chapter,
    3 as chapter_number,
    event.season_year,
    0 as from_year,
    event.kind as what,
    event.event_id as page_key
  from told_track
  join event
    on event.track_id = told_track.track_id
    or event.related_track_id = told_track.track_id
  union all
  select
    'growth' as chapter,
    4 as chapter_number,
    growth.to_year as season_year,
    growth.from_year,
    growth.basis as what,
    growth.track_id as page_key
  from told_track
  join growth
    on growth.track_id = told_track.track_id
)
select
  page.season_year,
  page.chapter,
  page.what,
  case page.chapter
    when 'alias' then former_id.track_id
    when 'event' then event.track_id
    else told_track.track_id
  end as track_id,
  coalesce(former_id.old_track_id, event.related_track_id, growth.group_id) as related_id,
  growth.from_year,
  coalesce(track_state.observed_from, event.after_on, growth.from_on) as from_on,
  coalesce(track_state.observed_to, event.before_on, growth.to_on) as to_on,
  track_state.area_m2,
  track_state.area_sigma_m2,
  track_state.coverage_frac,
  growth.area_change_m2,
  growth.area_rate_m2_yr,
  growth.area_rate_sigma_m2_yr,
  growth.is_significant,
  event.confidence,
  event.is_provisional
from page
cross join told_track
left join former_id
  on page.chapter = 'alias'
  and former_id.old_track_id = page.page_key
left join track_state
  on page.chapter = 'state'
  and track_state.track_id = told_track.track_id
  and track_state.season_year = page.season_year
left join event
  on page.chapter = 'event'
  and event.event_id = page.page_key
left join growth
  on page.chapter = 'growth'
  and growth.track_id = told_track.track_id
  and growth.to_year = page.season_year
  and growth.from_year = page.from_year
  and growth.basis = page.what
order by
  page.season_year nulls first,
  page.chapter_number,
  page.from_year,
  page.what collate "C",
  page.page_key collate "C"
