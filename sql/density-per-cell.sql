-- question: How dense are the slumps of a season in each cell of 0.5 degrees, per area looked at?
-- grain: one row per kind and cell that was looked at or holds a slump
-- params:
--   season: int = none: the season; none: the latest that was looked at or holds a slump
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   min_area_m2: double = 0 [m2]: smallest area in that season
-- units:
--   kind: text: landform or active zone
--   season_year: int: the season
--   cell_lon: double [degrees east]: south-west corner of the cell
--   cell_lat: double [degrees north]: south-west corner of the cell
--   looked_area_m2: double [m2]: area of the cell that was looked at; 0: nothing is known of looks
--   looked_frac: double [1]: its share of the cell; empty where nothing is known of looks
--   n_tracks: int: confirmed slumps detected in the area looked at; a slump's cell is that of its last outline
--   area_m2: double [m2]: their area
--   tracks_per_100_km2: double [1/(100 km2)]: their number per area looked at; empty where that is 0
--   area_m2_per_km2: double [m2/km2]: their area per area looked at; empty where that is 0
--   n_tentative: int: tentative slumps (seen in one season) detected there; in none of the figures above
--   n_outside_looks: int: slumps, tentative ones too, with an outline where nothing is known of looks; in none of the figures above
with asked as (
  select
    cast($season as integer) as season_year,
    cast($kind as text) as kind,
    cast($min_area_m2 as double precision) as min_area_m2
),
looked_cell as (
  select
    coverage_cell.*
  from coverage_cell
  cross join asked
  where coverage_cell.looked_area_m2 > 0
    and (asked.kind is null or coverage_cell.kind = asked.kind)
    and (asked.season_year is null or coverage_cell.season_year = asked.season_year)
),
-- 180 degrees east is 180 degrees west: the cell there begins at -180
season_slump as (
  select
    track.kind,
    track_state.season_year,
    case
      when track.lon >= 180 then cast(-180 as double precision)
      else floor(track.lon * 2) / 2
    end as cell_lon,
    case
      when track.lat >= 90 then cast(89.5 as double precision)
      else floor(track.lat * 2) / 2
    end as cell_lat,
    track_state.area_m2,
    case
      when track_state.coverage_frac is null or track_state.coverage_frac <= 0 then 'outside'
      else track.validity
    end as standing
  from track_state
  join track
    on track.track_id = track_state.track_id
  cross join asked
  where track.validity <> 'retracted'
    and track_state.state in ('observed', 'partial')
    and (asked.kind is null or track.kind = asked.kind)
    and (asked.season_year is null or track_state.season_year = asked.season_year)
),
known_season as (
  select
    season_year
  from looked_cell
  union
  select
    season_year
  from season_slump
),
latest_season as (
  select
    max(known_season.season_year) as season_year
  from known_season
),
slump_cell as (
  select
    season_slump.kind,
    season_slump.season_year,
    season_slump.cell_lon,
    season_slump.cell_lat,
    count(*) filter (where season_slump.standing = 'confirmed') as n_tracks,
    sum(season_slump.area_m2) filter (where season_slump.standing = 'confirmed') as area_m2,
    count(*) filter (where season_slump.standing = 'tentative') as n_tentative,
    count(*) filter (where season_slump.standing = 'outside') as n_outside_looks
  from season_slump
  cross join asked
  where season_slump.area_m2 >= asked.min_area_m2
  group by
    season_slump.kind,
    season_slump.season_year,
    season_slump.cell_lon,
    season_slump.cell_lat
),
cell_season as (
  select
    kind,
    season_year,
    cell_lon,
    cell_lat
  from looked_cell
  union
  select
    kind,
    season_year,
    cell_lon,
    cell_lat
  from slump_cell
)
select
  cell_season.kind,
  cell_season.season_year,
  cell_season.cell_lon,
  cell_season.cell_lat,
  coalesce(looked_cell.looked_area_m2, 0) as looked_area_m2,
  looked_cell.looked_area_m2 / nullif(looked_cell.cell_area_m2, 0) as looked_frac,
  cast(coalesce(slump_cell.n_tracks, 0) as integer) as n_tracks,
  coalesce(slump_cell.area_m2, 0) as area_m2,
  cast(coalesce(slump_cell.n_tracks, 0) as double precision) * 1e8
    / looked_cell.looked_area_m2 as tracks_per_100_km2,
  coalesce(slump_cell.area_m2, 0) * 1e6 / looked_cell.looked_area_m2 as area_m2_per_km2,
  cast(coalesce(slump_cell.n_tentative, 0) as integer) as n_tentative,
  cast(coalesce(slump_cell.n_outside_looks, 0) as integer) as n_outside_looks
from cell_season
join latest_season
  on latest_season.season_year = cell_season.season_year
left join looked_cell
  on looked_cell.kind = cell_season.kind
  and looked_cell.season_year = cell_season.season_year
  and looked_cell.cell_lon = cell_season.cell_lon
  and looked_cell.cell_lat = cell_season.cell_lat
left join slump_cell
  on slump_cell.kind = cell_season.kind
  and slump_cell.season_year = cell_season.season_year
  and slump_cell.cell_lon = cell_season.cell_lon
  and slump_cell.cell_lat = cell_season.cell_lat
order by
  cell_season.kind collate "C",
  cell_season.cell_lat,
  cell_season.cell_lon
