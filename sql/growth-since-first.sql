-- question: How much has each slump grown since it was first measured?
-- grain: one row per track or, where a merge or split lies between, per group of tracks; retracted ones are left out
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   min_area_m2: double = 0 [m2]: smallest last area
-- units:
--   kind: text: landform or active zone
--   validity: text: confirmed, or tentative (seen in one season)
--   track_id: text: the slump; of a group, its largest
--   basis: text: track, or group: the figures are those of the whole group
--   n_tracks: int: tracks of the group; 1 for a track of its own
--   is_part_of_group: bool: it also has a part in the group of another row: leave it out of sums
--   from_year: int: first season with a whole outline
--   to_year: int: last season that can be compared with it
--   from_on: date: day at the start
--   to_on: date: day at the end
--   years: double [a]: calendar years between
--   area_change_m2: double [m2]: area at the end less area at the start
--   gained_m2: double [m2]: area only in the end
--   lost_m2: double [m2]: area only in the start
--   area_rate_m2_yr: double [m2/a]: change per calendar year
--   area_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that rate
--   is_significant: bool: the change lies beyond 1.96 sigma
--   is_cross_source: bool: start and end are of different sources
--   area_m2: double [m2]: last area of that track
--   lon: double [degrees east]: longitude of a point on its last outline
--   lat: double [degrees north]: latitude of that point
with asked as (
  select
    cast($kind as text) as kind,
    cast($min_area_m2 as double precision) as min_area_m2
),
whole_season as (
  select
    track_state.track_id,
    track_state.season_year,
    min(track_state.season_year) over (partition by track_state.track_id) as first_season_year
  from track_state
  where track_state.state = 'observed'
    and not track_state.is_clipped
),
kept_interval as (
  select
    growth.*,
    coalesce(growth.group_id, growth.track_id) as unit_id,
    track.kind,
    track.validity,
    track.area_m2,
    track.lon,
    track.lat,
    whole_season.track_id is not null as is_from_first,
    row_number() over (
      partition by growth.track_id, whole_season.track_id is not null
      order by growth.to_year desc, growth.basis collate "C"
    ) as nth
  from growth
  join track
    on track.track_id = growth.track_id
  left join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.first_season_year = growth.from_year
  where track.validity <> 'retracted'
),
-- a group's figures stand in a row of each of its tracks, whether or not it is their longest
group_member as (
  select
    kept_interval.*,
    kept_interval.is_from_first and kept_interval.nth = 1 as is_longest,
    bool_or(kept_interval.is_from_first and kept_interval.nth = 1) over unit_rows as is_answer,
    count(*) over unit_rows as n_tracks
  from kept_interval
  window unit_rows as (
    partition by kept_interval.unit_id, kept_interval.from_year, kept_interval.to_year
  )
),
-- the child of a split has an interval of its own, and a part in that of its parent's group
track_part as (
  select
    group_member.*,
    bool_or(group_member.is_answer and not group_member.is_longest)
      over (partition by group_member.track_id) as is_part_of_group,
    row_number() over (
      partition by
        group_member.unit_id,
        group_member.from_year,
        group_member.to_year,
        group_member.is_longest
      order by group_member.area_m2 desc, group_member.track_id collate "C"
    ) as nth_member
  from group_member
)
select
  track_part.kind,
  track_part.validity,
  track_part.track_id,
  track_part.basis,
  cast(track_part.n_tracks as integer) as n_tracks,
  track_part.is_part_of_group,
  track_part.from_year,
  track_part.to_year,
  track_part.from_on,
  track_part.to_on,
  track_part.years,
  track_part.area_change_m2,
  track_part.gained_m2,
  track_part.lost_m2,
  track_part.area_rate_m2_yr,
  track_part.area_rate_sigma_m2_yr,
  track_part.is_significant,
  track_part.is_cross_source,
  track_part.area_m2,
  track_part.lon,
  track_part.lat
from track_part
cross join asked
where track_part.is_longest
  and track_part.nth_member = 1
  and (asked.kind is null or track_part.kind = asked.kind)
  and track_part.area_m2 >= asked.min_area_m2
order by
  track_part.kind collate "C",
  track_part.validity collate "C",
  track_part.area_change_m2 desc,
  track_part.track_id collate "C"
