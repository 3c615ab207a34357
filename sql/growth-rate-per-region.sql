-- question: How fast do the slumps of each region grow, season by season?
-- grain: one row per region, kind and season that growth was measured up to; first the row for everywhere
-- params:
--   region_set: text = none: set of regions; none: every set, and everywhere
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   season: int = none: season at the end of the intervals; none: every season
--   min_area_m2: double = 0 [m2]: smallest last area of a slump
-- units:
--   region_set: text: set of regions; 'everywhere' for all slumps, in a region or not
--   region_code: text: code of the region
--   name: text: name of the region
--   kind: text: landform or active zone
--   season_year: int: season at the end of the intervals
--   n_measured: int: confirmed slumps measured, a group at a merge or split counted once
--   n_groups: int: groups among them
--   n_significant: int: of them, those whose change lies beyond 1.96 sigma
--   n_cross_source: int: of them, those between outlines of different sources
--   area_rate_m2_yr: double [m2/a]: summed change of area per calendar year; a region whose slumps were not all measured changed by more
--   area_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that sum, errors of slumps taken as independent
--   mean_rate_m2_yr: double [m2/a]: mean over what was measured
--   median_rate_m2_yr: double [m2/a]: median over what was measured
--   median_retreat_rate_m_yr: double [m/a]: median of the 95th percentiles of headwall retreat
--   n_tentative: int: tentative slumps measured; in none of the figures above
--   tentative_rate_m2_yr: double [m2/a]: their summed change of area per calendar year
with asked as (
  select
    cast($region_set as text) as region_set,
    cast($kind as text) as kind,
    cast($season as integer) as season_year,
    cast($min_area_m2 as double precision) as min_area_m2
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
-- what a track or group did since the season in which one of its tracks was last measured
interval_unit as (
  select distinct
    coalesce(growth.group_id, growth.track_id) as unit_id,
    growth.from_year,
    growth.to_year
  from growth
  join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.season_year_before = growth.from_year
),
-- a track that missed seasons may share a longer interval, which holds the shorter ones of the rest
ranked_interval as (
  select
    growth.*,
    interval_unit.unit_id,
    row_number() over (
      partition by growth.track_id, growth.to_year
      order by growth.from_year
    ) as nth
  from growth
  join interval_unit
    on interval_unit.unit_id = coalesce(growth.group_id, growth.track_id)
    and interval_unit.from_year = growth.from_year
    and interval_unit.to_year = growth.to_year
  join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
),
-- a group's figures stand in a row of each of its tracks
group_member as (
  select
    ranked_interval.*,
    track.kind,
    track.validity,
    track.area_m2,
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
track_place as (
  select
    track.track_id,
    'everywhere' as region_set,
    'everywhere' as region_code,
    'everywhere' as name,
    0 as set_order
  from track
  union all
  select
    track_region.track_id,
    track_region.region_set,
    track_region.region_code,
    region.name,
    1 as set_order
  from track_region
  join region
    on region.region_set = track_region.region_set
    and region.region_code = track_region.region_code
)
select
  track_place.region_set,
  track_place.region_code,
  track_place.name,
  group_member.kind,
  group_member.to_year as season_year,
  cast(count(*) filter (where group_member.validity = 'confirmed') as integer) as n_measured,
  cast(
    count(*) filter (where group_member.validity = 'confirmed' and group_member.basis = 'group')
    as integer
  ) as n_groups,
  cast(
    count(*) filter (where group_member.validity = 'confirmed' and group_member.is_significant)
    as integer
  ) as n_significant,
  cast(
    count(*) filter (where group_member.validity = 'confirmed' and group_member.is_cross_source)
    as integer
  ) as n_cross_source,
  coalesce(
    sum(group_member.area_rate_m2_yr) filter (where group_member.validity = 'confirmed'),
    0
  ) as area_rate_m2_yr,
  coalesce(
    sqrt(
      sum(group_member.area_rate_sigma_m2_yr * group_member.area_rate_sigma_m2_yr)
      filter (where group_member.validity = 'confirmed')
    ),
    0
  ) as area_rate_sigma_m2_yr,
  avg(group_member.area_rate_m2_yr)
    filter (where group_member.validity = 'confirmed') as mean_rate_m2_yr,
  percentile_cont(0.5) within group (order by group_member.area_rate_m2_yr)
    filter (where group_member.validity = 'confirmed') as median_rate_m2_yr,
  percentile_cont(0.5) within group (order by group_member.retreat_rate_m_yr)
    filter (where group_member.validity = 'confirmed') as median_retreat_rate_m_yr,
  cast(count(*) filter (where group_member.validity = 'tentative') as integer) as n_tentative,
  coalesce(
    sum(group_member.area_rate_m2_yr) filter (where group_member.validity = 'tentative'),
    0
  ) as tentative_rate_m2_yr
from group_member
join track_place
  on track_place.track_id = group_member.track_id
cross join asked
where group_member.nth_member = 1
  and group_member.area_m2 >= asked.min_area_m2
  and (asked.kind is null or group_member.kind = asked.kind)
  and (asked.season_year is null or group_member.to_year = asked.season_year)
  and (asked.region_set is null or track_place.region_set = asked.region_set)
group by
  track_place.set_order,
  track_place.region_set,
  track_place.region_code,
  track_place.name,
  group_member.kind,
  group_member.to_year
order by
  track_place.set_order,
  track_place.region_set collate "C",
  track_place.region_code collate "C",
  group_member.kind collate "C",
  group_member.to_year
