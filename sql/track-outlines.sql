-- question: Where did each slump lie, season by season? One layer for a map, such as in QGIS.
-- grain: one row per outline that belongs to a track; those of retracted tracks are left out
-- params:
--   season: int = none: the season; none: every season
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   min_area_m2: double = 0 [m2]: smallest area of the outline
-- units:
--   kind: text: landform or active zone
--   validity: text: of the track: confirmed, or tentative (seen in one season)
--   track_id: text: the slump
--   season_year: int: the season
--   outline_id: text: the outline
--   source: text: who mapped it
--   observed_on: date: median date of what it was drawn from
--   area_m2: double [m2]: its area
--   area_sigma_m2: double [m2]: 1 sigma of that area
--   is_clipped: bool: cut by an edge or nodata: its area is a lower bound
--   n_looks: int: looks that cover it; empty: unknown
--   n_hits: int: footprints it is made of
--   lineage_id: text: family of tracks that splits and merges connect
--   activity: text: last known state of the track: active, stable, merged or unknown
--   first_year: int: first season of the track with an outline
--   last_year: int: last season of the track with an outline
--   area_rate_m2_yr: double [m2/a]: growth of the track up to this season since it was last measured; empty where it has no rate of its own
--   area_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that rate
--   geometry: geometry [WGS 84 lon/lat]: the outline
with asked as (
  select
    cast($season as integer) as season_year,
    cast($kind as text) as kind,
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
-- growth also holds intervals since the first season: these are between successive seasons
track_interval as (
  select
    growth.track_id,
    growth.to_year,
    growth.area_rate_m2_yr,
    growth.area_rate_sigma_m2_yr
  from growth
  join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.season_year_before = growth.from_year
  where growth.basis = 'track'
)
select
  outline.kind,
  track.validity,
  outline.track_id,
  outline.season_year,
  outline.outline_id,
  outline.source,
  outline.observed_on,
  outline.area_m2,
  outline.area_sigma_m2,
  outline.is_clipped,
  outline.n_looks,
  outline.n_hits,
  track.lineage_id,
  track.activity,
  track.first_year,
  track.last_year,
  track_interval.area_rate_m2_yr,
  track_interval.area_rate_sigma_m2_yr,
  outline.geometry
from outline
join track
  on track.track_id = outline.track_id
cross join asked
left join track_interval
  on track_interval.track_id = outline.track_id
  and track_interval.to_year = outline.season_year
where track.validity <> 'retracted'
  and (asked.season_year is null or outline.season_year = asked.season_year)
  and (asked.kind is null or outline.kind = asked.kind)
  and outline.area_m2 >= asked.min_area_m2
order by
  outline.kind collate "C",
  outline.track_id collate "C",
  outline.season_year,
  outline.outline_id collate "C"
