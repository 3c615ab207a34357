-- question: How many slumps began, merged, split, stabilised or were reactivated in each season?
-- grain: one row per kind, season and validity, for every season that was looked at or holds an event
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   season: int = none: the season; none: every season
--   min_area_m2: double = 0 [m2]: smallest last area of a slump
-- units:
--   kind: text: landform or active zone
--   season_year: int: the season
--   validity: text: of the slumps counted: confirmed, or tentative (seen in one season)
--   looked_area_m2: double [m2]: area looked at in that season, measured or assumed; 0: nothing is known of looks
--   n_new: int: slumps that began (initiate): the season before looked there and found nothing
--   n_merged: int: slumps that merged into another one, looked at in the season before
--   n_split: int: slumps that split from another one, that one looked at in the season before
--   n_stabilised: int: slumps that stabilised, looked at in the season before
--   n_reactivated: int: slumps that moved again after they had stabilised, looked at in the season before
--   n_reinitiated: int: slumps that began on a stabilised one, that one looked at in the season before
--   n_undated_new: int: slumps first seen in that season, their place not looked at in the season before: they may be older
--   n_undated_merged: int: mergers that may have happened in an earlier season
--   n_undated_split: int: splits that may have happened in an earlier season
--   n_undated_stabilised: int: slumps that may have stabilised in an earlier season
--   n_undated_reactivated: int: slumps that may have been reactivated in an earlier season
--   n_undated_reinitiated: int: slumps on a stabilised one that may have begun in an earlier season
--   n_provisional: int: events among all these that the next season may settle otherwise
with asked as (
  select
    cast($kind as text) as kind,
    cast($season as integer) as season_year,
    cast($min_area_m2 as double precision) as min_area_m2
),
-- an event is its season's if the season before was looked at: else it may be an earlier one's;
-- what a split founded was not there to be looked at, its parent was
dated_event as (
  select
    track.kind,
    event.season_year,
    track.validity,
    event.track_id,
    case event.kind when 'first_seen' then 'initiate' else event.kind end as event,
    event.kind = 'initiate'
      or (event.kind <> 'first_seen' and track_state.track_id is not null) as is_dated,
    event.is_provisional
  from event
  join track
    on track.track_id = event.track_id
  cross join asked
  left join track_state
    on track_state.track_id = case
      when event.kind in ('split', 'reinitiate') then event.related_track_id
      else event.track_id
    end
    and track_state.season_year = event.season_year - 1
    and track_state.state <> 'unobserved'
  where track.validity <> 'retracted'
    and track.area_m2 >= asked.min_area_m2
),
season_event as (
  select
    dated_event.kind,
    dated_event.season_year,
    dated_event.validity,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'initiate' and dated_event.is_dated) as n_new,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'merge' and dated_event.is_dated) as n_merged,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'split' and dated_event.is_dated) as n_split,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'stabilise' and dated_event.is_dated) as n_stabilised,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'reactivate' and dated_event.is_dated) as n_reactivated,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'reinitiate' and dated_event.is_dated) as n_reinitiated,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'initiate' and not dated_event.is_dated) as n_undated_new,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'merge' and not dated_event.is_dated)
      as n_undated_merged,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'split' and not dated_event.is_dated)
      as n_undated_split,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'stabilise' and not dated_event.is_dated)
      as n_undated_stabilised,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'reactivate' and not dated_event.is_dated)
      as n_undated_reactivated,
    count(distinct dated_event.track_id)
      filter (where dated_event.event = 'reinitiate' and not dated_event.is_dated)
      as n_undated_reinitiated,
    count(*) filter (where dated_event.is_provisional) as n_provisional
  from dated_event
  group by
    dated_event.kind,
    dated_event.season_year,
    dated_event.validity
),
season_look as (
  select
    coverage.kind,
    coverage.season_year,
    sum(coverage.area_m2) as looked_area_m2
  from coverage
  group by
    coverage.kind,
    coverage.season_year
),
known_season as (
  select
    kind,
    season_year
  from season_look
  union
  select
    kind,
    season_year
  from season_event
),
validity as (
  select
    'confirmed' as validity
  union all
  select
    'tentative' as validity
)
select
  known_season.kind,
  known_season.season_year,
  validity.validity,
  coalesce(season_look.looked_area_m2, 0) as looked_area_m2,
  cast(coalesce(season_event.n_new, 0) as integer) as n_new,
  cast(coalesce(season_event.n_merged, 0) as integer) as n_merged,
  cast(coalesce(season_event.n_split, 0) as integer) as n_split,
  cast(coalesce(season_event.n_stabilised, 0) as integer) as n_stabilised,
  cast(coalesce(season_event.n_reactivated, 0) as integer) as n_reactivated,
  cast(coalesce(season_event.n_reinitiated, 0) as integer) as n_reinitiated,
  cast(coalesce(season_event.n_undated_new, 0) as integer) as n_undated_new,
  cast(coalesce(season_event.n_undated_merged, 0) as integer) as n_undated_merged,
  cast(coalesce(season_event.n_undated_split, 0) as integer) as n_undated_split,
  cast(coalesce(season_event.n_undated_stabilised, 0) as integer) as n_undated_stabilised,
  cast(coalesce(season_event.n_undated_reactivated, 0) as integer) as n_undated_reactivated,
  cast(coalesce(season_event.n_undated_reinitiated, 0) as integer) as n_undated_reinitiated,
  cast(coalesce(season_event.n_provisional, 0) as integer) as n_provisional
from known_season
cross join validity
cross join asked
left join season_look
  on season_look.kind = known_season.kind
  and season_look.season_year = known_season.season_year
left join season_event
  on season_event.kind = known_season.kind
  and season_event.season_year = known_season.season_year
  and season_event.validity = validity.validity
where (asked.kind is null or known_season.kind = asked.kind)
  and (asked.season_year is null or known_season.season_year = asked.season_year)
order by
  known_season.kind collate "C",
  known_season.season_year,
  validity.validity collate "C"
