-- question: Which cells of 0.5 degrees were not looked at, or only partly, in a season in which others were?
-- grain: one row per kind, season and cell that was looked at less than in its best season
-- params:
--   season: int = none: the season; none: every season that was looked at anywhere
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   min_looked_frac: double = 0.9 [1]: less than this share of what was looked at in the cell's best season is a gap
--   min_area_m2: double = 0 [m2]: smallest last area of the slumps counted
-- units:
--   kind: text: landform or active zone
--   season_year: int: season of the gap
--   cell_lon: double [degrees east]: south-west corner of the cell
--   cell_lat: double [degrees north]: south-west corner of the cell
--   looked_area_m2: double [m2]: area looked at in that season
--   most_looked_area_m2: double [m2]: area looked at in the cell's best season
--   looked_frac: double [1]: share of that which was looked at
--   looked_before_year: int: last season before in which the cell was looked at; empty: none
--   looked_after_year: int: first season after in which the cell was looked at; empty: none
--   n_tracks: int: confirmed slumps whose last outline lies in the cell
--   n_tentative: int: tentative ones (seen in one season)
with asked as (
  select
    cast($season as integer) as season_year,
    cast($kind as text) as kind,
    cast($min_looked_frac as double precision) as min_looked_frac,
    cast($min_area_m2 as double precision) as min_area_m2
),
looked_cell as (
  select
    coverage_cell.*
  from coverage_cell
  where coverage_cell.looked_area_m2 > 0
),
known_season as (
  select distinct
    looked_cell.kind,
    looked_cell.season_year
  from looked_cell
),
known_cell as (
  select
    looked_cell.kind,
    looked_cell.cell_lon,
    looked_cell.cell_lat,
    max(looked_cell.looked_area_m2) as most_looked_area_m2
  from looked_cell
  group by
    looked_cell.kind,
    looked_cell.cell_lon,
    looked_cell.cell_lat
),
cell_season as (
  select
    known_cell.kind,
    known_season.season_year,
    known_cell.cell_lon,
    known_cell.cell_lat,
    known_cell.most_looked_area_m2,
    coalesce(looked_cell.looked_area_m2, 0) as looked_area_m2,
    max(looked_cell.season_year) over earlier_seasons as looked_before_year,
    min(looked_cell.season_year) over later_seasons as looked_after_year
  from known_cell
  join known_season
    on known_season.kind = known_cell.kind
  left join looked_cell
    on looked_cell.kind = known_cell.kind
    and looked_cell.season_year = known_season.season_year
    and looked_cell.cell_lon = known_cell.cell_lon
    and looked_cell.cell_lat = known_cell.cell_lat
  window
    earlier_seasons as (
      partition by known_cell.kind, known_cell.cell_lon, known_cell.cell_lat
      order by known_season.season_year
      rows between unbounded preceding and 1 preceding
    ),
    later_seasons as (
      partition by known_cell.kind, known_cell.cell_lon, known_cell.cell_lat
      order by known_season.season_year
      rows between 1 following and unbounded following
    )
),
-- 180 degrees east is 180 degrees west: the cell there begins at -180
slump_cell as (
  select
    track.kind,
    case
      when track.lon >= 180 then cast(-180 as double precision)
      else floor(track.lon * 2) / 2
    end as cell_lon,
    case
      when track.lat >= 90 then cast(89.5 as double precision)
      else floor(track.lat * 2) / 2
    end as cell_lat,
    track.validity
  from track
  cross join asked
  where track.validity <> 'retracted'
    and track.area_m2 >= asked.min_area_m2
),
cell_track_count as (
  select
    slump_cell.kind,
    slump_cell.cell_lon,
    slump_cell.cell_lat,
    count(*) filter (where slump_cell.validity = 'confirmed') as n_tracks,
    count(*) filter (where slump_cell.validity = 'tentative') as n_tentative
  from slump_cell
  group by
    slump_cell.kind,
    slump_cell.cell_lon,
    slump_cell.cell_lat
)
select
  cell_season.kind,
  cell_season.season_year,
  cell_season.cell_lon,
  cell_season.cell_lat,
  cell_season.looked_area_m2,
  cell_season.most_looked_area_m2,
  cell_season.looked_area_m2 / cell_season.most_looked_area_m2 as looked_frac,
  cell_season.looked_before_year,
  cell_season.looked_after_year,
  cast(coalesce(cell_track_count.n_tracks, 0) as integer) as n_tracks,
  cast(coalesce(cell_track_count.n_tentative, 0) as integer) as n_tentative
from cell_season
left join cell_track_count
  on cell_track_count.kind = cell_season.kind
  and cell_track_count.cell_lon = cell_season.cell_lon
  and cell_track_count.cell_lat = cell_season.cell_lat
cross join asked
where cell_season.looked_area_m2 < asked.min_looked_frac * cell_season.most_looked_area_m2
  and (asked.season_year is null or cell_season.season_year = asked.season_year)
  and (asked.kind is null or cell_season.kind = asked.kind)
order by
  cell_season.kind collate "C",
  cell_season.season_year,
  cell_season.cell_lat,
  cell_season.cell_lon
