-- question: Which slumps grew fastest up to a season, since they were last measured before it?
-- grain: one row per track or, where the interval holds a merge or split, per group of tracks; retracted ones are left out
-- params:
--   season: int = none: season at the end of the interval; none: the latest of each kind
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   limit: int = 20: how many
--   only_significant: bool = false: true: only changes beyond 1.96 sigma
--   min_area_m2: double = 0 [m2]: smallest last area
-- units:
--   rank: int: 1 for the fastest
--   track_id: text: the slump; of a group, its largest
--   basis: text: track, or group: the figures are those of the whole group
--   n_tracks: int: tracks of the group; 1 for a track of its own
--   kind: text: landform or active zone
--   validity: text: confirmed, or tentative (seen in one season)
--   from_year: int: season at the start of the interval
--   to_year: int: season at its end
--   from_on: date: day at the start
--   to_on: date: day at the end
--   area_change_m2: double [m2]: area at the end less area at the start
--   area_rate_m2_yr: double [m2/a]: change per calendar year
--   area_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that rate
--   area_rate_m2_thaw_yr: double [m2/a]: change per thaw season; empty without thaw between
--   is_significant: bool: the change lies beyond 1.96 sigma
--   is_cross_source: bool: start and end are of different sources
--   retreat_rate_m_yr: double [m/a]: 95th percentile of headwall retreat per calendar year
--   area_m2: double [m2]: last area of that track
--   lon: double [degrees east]: longitude of a point on its last outline
--   lat: double [degrees north]: latitude of that point
with asked as (
  select
    cast($season as integer) as season_year,
    cast($kind as text) as kind,
    cast($limit as integer) as n_wanted,
    cast($only_significant as boolean) as only_significant,
    cast($min_area_m2 as double precision) as min_area_m2
),
kept_track as (
  select
    track.*
  from track
  cross join asked
  where track.validity <> 'retracted'
    and (asked.kind is null or track.kind = asked.kind)
),
whole_season as (
  select
    track_state.track_id,
    track_state.season_year,
    lag(track_state.season_year) over (
      partition by track_state.track_id
      order by track_state.season_year
    ) as season_year_before
  from track_state
  where track_state.state = 'observed'
    and not track_state.is_clipped
),
-- growth also holds intervals since the first season: wanted are those between successive seasons
kept_interval as (
  select
    growth.*,
    coalesce(growth.group_id, growth.track_id) as unit_id,
    kept_track.kind,
    kept_track.validity,
    kept_track.area_m2,
    kept_track.lon,
    kept_track.lat,
    whole_season.track_id is not null as is_successive,
    count(*) over (
      partition by
        coalesce(growth.group_id, growth.track_id),
        growth.from_year,
        growth.to_year
    ) as n_tracks
  from growth
  join kept_track
    on kept_track.track_id = growth.track_id
  left join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.season_year_before = growth.from_year
  cross join asked
  where asked.season_year is null or growth.to_year = asked.season_year
),
latest_season as (
  select
    kept_interval.kind,
    max(kept_interval.to_year) as season_year
  from kept_interval
  where kept_interval.is_successive
  group by kept_interval.kind
),
-- a group's figures stand in a row of each of its tracks
group_member as (
  select
    kept_interval.*,
    row_number() over (
      partition by kept_interval.unit_id, kept_interval.from_year
      order by kept_interval.area_m2 desc, kept_interval.track_id collate "C"
    ) as nth_member
  from kept_interval
  join latest_season
    on latest_season.kind = kept_interval.kind
    and latest_season.season_year = kept_interval.to_year
  where kept_interval.is_successive
),
grower as (
  select
    group_member.*,
    row_number() over (
      order by group_member.area_rate_m2_yr desc, group_member.track_id collate "C"
    ) as speed_rank
  from group_member
  cross join asked
  where group_member.nth_member = 1
    and group_member.area_rate_m2_yr > 0
    and (group_member.is_significant or not asked.only_significant)
    and group_member.area_m2 >= asked.min_area_m2
)
select
  cast(grower.speed_rank as integer) as rank,
  grower.track_id,
  grower.basis,
  cast(grower.n_tracks as integer) as n_tracks,
  grower.kind,
  grower.validity,
  grower.from_year,
  grower.to_year,
  grower.from_on,
  grower.to_on,
  grower.area_change_m2,
  grower.area_rate_m2_yr,
  grower.area_rate_sigma_m2_yr,
  grower.area_rate_m2_thaw_yr,
  grower.is_significant,
  grower.is_cross_source,
  grower.retreat_rate_m_yr,
  grower.area_m2,
  grower.lon,
  grower.lat
from grower
join asked
  on grower.speed_rank <= asked.n_wanted
order by
  grower.speed_rank
