-- question: How much slump area was active in each region and season, per area looked at?
-- grain: one row per region, kind and season that was looked at or holds a slump; first the rows for everywhere
-- params:
--   region_set: text = none: set of regions; none: every set, and everywhere
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   season: int = none: the season; none: every season
--   min_area_m2: double = 0 [m2]: smallest area in that season
-- units:
--   region_set: text: set of regions; 'everywhere' for all slumps, in a region or not
--   region_code: text: code of the region
--   name: text: name of the region
--   kind: text: landform or active zone
--   season_year: int: the season
--   looked_area_m2: double [m2]: area looked at, measured or assumed; 0: nothing is known of looks
--   n_active: int: confirmed slumps detected in the area looked at
--   n_partial: int: of them, those cut or not wholly looked at: their area is a lower bound
--   active_area_m2: double [m2]: their area
--   active_m2_per_km2: double [m2/km2]: their area per area looked at; empty where that is 0
--   active_per_1000_km2: double [1/(1000 km2)]: their number per area looked at; empty where that is 0
--   n_tentative: int: tentative slumps (seen in one season) detected there; in none of the figures above
--   tentative_area_m2: double [m2]: their area
--   n_outside_looks: int: slumps, tentative ones too, with an outline where nothing is known of looks; in none of the figures above
--   outside_looks_area_m2: double [m2]: their area
with asked as (
  select
    cast($region_set as text) as region_set,
    cast($kind as text) as kind,
    cast($season as integer) as season_year,
    cast($min_area_m2 as double precision) as min_area_m2
),
place as (
  select
    'everywhere' as region_set,
    'everywhere' as region_code,
    'everywhere' as name,
    0 as set_order
  union all
  select
    region.region_set,
    region.region_code,
    region.name,
    1 as set_order
  from region
),
track_place as (
  select
    track.track_id,
    'everywhere' as region_set,
    'everywhere' as region_code
  from track
  union all
  select
    track_region.track_id,
    track_region.region_set,
    track_region.region_code
  from track_region
),
place_look as (
  select
    'everywhere' as region_set,
    'everywhere' as region_code,
    coverage.kind,
    coverage.season_year,
    sum(coverage.area_m2) as looked_area_m2
  from coverage
  group by
    coverage.kind,
    coverage.season_year
  union all
  select
    region_coverage.region_set,
    region_coverage.region_code,
    region_coverage.kind,
    region_coverage.season_year,
    region_coverage.looked_area_m2
  from region_coverage
),
-- what looks cover is compared with looks; a slump of which no look is known stands apart
season_slump as (
  select
    track_place.region_set,
    track_place.region_code,
    track.kind,
    track_state.season_year,
    track_state.area_m2,
    track_state.state = 'partial' as is_partial,
    case
      when track_state.coverage_frac is null or track_state.coverage_frac <= 0 then 'outside'
      else track.validity
    end as standing
  from track_state
  join track
    on track.track_id = track_state.track_id
  join track_place
    on track_place.track_id = track.track_id
  cross join asked
  where track.validity <> 'retracted'
    and track_state.state in ('observed', 'partial')
    and track_state.area_m2 >= asked.min_area_m2
),
place_slump as (
  select
    season_slump.region_set,
    season_slump.region_code,
    season_slump.kind,
    season_slump.season_year,
    count(*) filter (where season_slump.standing = 'confirmed') as n_active,
    count(*) filter (
      where season_slump.standing = 'confirmed' and season_slump.is_partial
    ) as n_partial,
    sum(season_slump.area_m2) filter (
      where season_slump.standing = 'confirmed'
    ) as active_area_m2,
    count(*) filter (where season_slump.standing = 'tentative') as n_tentative,
    sum(season_slump.area_m2) filter (
      where season_slump.standing = 'tentative'
    ) as tentative_area_m2,
    count(*) filter (where season_slump.standing = 'outside') as n_outside_looks,
    sum(season_slump.area_m2) filter (
      where season_slump.standing = 'outside'
    ) as outside_looks_area_m2
  from season_slump
  group by
    season_slump.region_set,
    season_slump.region_code,
    season_slump.kind,
    season_slump.season_year
),
place_season as (
  select
    region_set,
    region_code,
    kind,
    season_year
  from place_look
  union
  select
    region_set,
    region_code,
    kind,
    season_year
  from place_slump
)
select
  place.region_set,
  place.region_code,
  place.name,
  place_season.kind,
  place_season.season_year,
  coalesce(place_look.looked_area_m2, 0) as looked_area_m2,
  cast(coalesce(place_slump.n_active, 0) as integer) as n_active,
  cast(coalesce(place_slump.n_partial, 0) as integer) as n_partial,
  coalesce(place_slump.active_area_m2, 0) as active_area_m2,
  coalesce(place_slump.active_area_m2, 0) * 1e6
    / nullif(place_look.looked_area_m2, 0) as active_m2_per_km2,
  cast(coalesce(place_slump.n_active, 0) as double precision) * 1e9
    / nullif(place_look.looked_area_m2, 0) as active_per_1000_km2,
  cast(coalesce(place_slump.n_tentative, 0) as integer) as n_tentative,
  coalesce(place_slump.tentative_area_m2, 0) as tentative_area_m2,
  cast(coalesce(place_slump.n_outside_looks, 0) as integer) as n_outside_looks,
  coalesce(place_slump.outside_looks_area_m2, 0) as outside_looks_area_m2
from place_season
join place
  on place.region_set = place_season.region_set
  and place.region_code = place_season.region_code
left join place_look
  on place_look.region_set = place_season.region_set
  and place_look.region_code = place_season.region_code
  and place_look.kind = place_season.kind
  and place_look.season_year = place_season.season_year
left join place_slump
  on place_slump.region_set = place_season.region_set
  and place_slump.region_code = place_season.region_code
  and place_slump.kind = place_season.kind
  and place_slump.season_year = place_season.season_year
cross join asked
where (asked.region_set is null or place.region_set = asked.region_set)
  and (asked.kind is null or place_season.kind = asked.kind)
  and (asked.season_year is null or place_season.season_year = asked.season_year)
order by
  place.set_order,
  place.region_set collate "C",
  place.region_code collate "C",
  place_season.kind collate "C",
  place_season.season_year
