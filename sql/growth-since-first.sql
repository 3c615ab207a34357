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
ranked_interval as (
  select
    growth.*,
    coalesce(growth.group_id, growth.track_id) as unit_id,
    row_number() over (
      partition by growth.track_id
      order by growth.to_year desc, growth.basis collate "C"
    ) as nth
  from growth
  join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.first_season_year = growth.from_year
),
-- a group's figures stand in a row of each of its tracks
group_member as (
  select
    ranked_interval.*,
    track.kind,
    track.validity,
    track.area_m2,
    track.lon,
    track.lat,
    row_number() over (
      partition by ranked_interval.unit_id, ranked_interval.from_year, ranked_interval.to_year
      order by track.area_m2 desc, track.track_id collate "C"
    ) as nth_member
  from ranked_interval
  join track
    on track.track_id = ranked_interval.track_id
  where ranked_interval.nth = 1
    and track.validity <> 'retracted'
),
group_size as (
  select
    growth.group_id,
    growth.from_year,
    growth.to_year,
    count(*) as n_tracks
  from growth
  where growth.basis = 'group'
  group by
    growth.group_id,
    growth.from_year,
    growth.to_year
),
-- the child of a split has an interval of its own, and a part in that of its parent's group
part_of_group as (
  select distinct
    growth.track_id
  from growth
  join group_member
    on group_member.group_id = growth.group_id
    and group_member.from_year = growth.from_year
    and group_member.to_year = growth.to_year
    and group_member.track_id <> growth.track_id
  where group_member.nth_member = 1
)
select
  group_member.kind,
  group_member.validity,
  group_member.track_id,
  group_member.basis,
  cast(coalesce(group_size.n_tracks, 1) as integer) as n_tracks,
  part_of_group.track_id is not null as is_part_of_group,
  group_member.from_year,
  group_member.to_year,
  group_member.from_on,
  group_member.to_on,
  group_member.years,
  group_member.area_change_m2,
  group_member.gained_m2,
  group_member.lost_m2,
  group_member.area_rate_m2_yr,
  group_member.area_rate_sigma_m2_yr,
  group_member.is_significant,
  group_member.is_cross_source,
  group_member.area_m2,
  group_member.lon,
  group_member.lat
from group_member
cross join asked
left join group_size
  on group_size.group_id = group_member.group_id
  and group_size.from_year = group_member.from_year
  and group_size.to_year = group_member.to_year
left join part_of_group
  on part_of_group.track_id = group_member.track_id
where group_member.nth_member = 1
  and (asked.kind is null or group_member.kind = asked.kind)
  and group_member.area_m2 >= asked.min_area_m2
order by
  group_member.kind collate "C",
  group_member.validity collate "C",
  group_member.area_change_m2 desc,
  group_member.track_id collate "C"
