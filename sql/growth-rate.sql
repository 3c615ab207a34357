-- question: How fast does each slump grow, over all its seasons and most recently?
-- grain: one row per track that was measured in two seasons at least; retracted ones are left out
-- params:
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   time_basis: text in calendar|thaw = calendar: the trend's clock: calendar years or thaw seasons
--   min_area_m2: double = 0 [m2]: smallest last area
-- units:
--   kind: text: landform or active zone
--   validity: text: confirmed, or tentative (seen in one season)
--   track_id: text: the slump
--   activity: text: its last known state: active, stable, merged or unknown
--   first_year: int: first season with an outline
--   last_year: int: last season with an outline
--   area_m2: double [m2]: area of its last outline
--   trend_method: text: theil_sen, else wls, else interval: the best its number of seasons allows; empty: no trend
--   trend_n_seasons: int: seasons that the trend uses
--   trend_rate_m2_yr: double [m2/a]: slope of its area; per thaw season where time_basis is thaw
--   trend_rate_low_m2_yr: double [m2/a]: lower end of the slope's 95 % interval
--   trend_rate_high_m2_yr: double [m2/a]: upper end of the slope's 95 % interval
--   trend_pct_yr: double [%/a]: slope of log area
--   latest_basis: text: track, or group where the latest interval holds a merge or split: the figures are then those of the whole group
--   latest_group_id: text: same for all tracks of the group: count it once
--   latest_from_year: int: season at the start of the latest interval
--   latest_to_year: int: season at its end
--   latest_rate_m2_yr: double [m2/a]: change of area over it per calendar year
--   latest_rate_sigma_m2_yr: double [m2/a]: 1 sigma of that rate
--   latest_is_significant: bool: the change lies beyond 1.96 sigma
--   latest_retreat_rate_m_yr: double [m/a]: 95th percentile of headwall retreat per calendar year
--   lon: double [degrees east]: longitude of a point on its last outline
--   lat: double [degrees north]: latitude of that point
with asked as (
  select
    cast($kind as text) as kind,
    cast($time_basis as text) as time_basis,
    cast($min_area_m2 as double precision) as min_area_m2
),
ranked_trend as (
  select
    trend.*,
    row_number() over (
      partition by trend.track_id
      order by case trend.method when 'theil_sen' then 1 when 'wls' then 2 else 3 end
    ) as nth
  from trend
  join asked
    on asked.time_basis = trend.time_basis
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
-- growth also holds intervals since the first season: the latest one is between successive seasons
ranked_interval as (
  select
    growth.*,
    row_number() over (
      partition by growth.track_id
      order by growth.to_year desc, growth.basis collate "C"
    ) as nth
  from growth
  join whole_season
    on whole_season.track_id = growth.track_id
    and whole_season.season_year = growth.to_year
    and whole_season.season_year_before = growth.from_year
)
select
  track.kind,
  track.validity,
  track.track_id,
  track.activity,
  track.first_year,
  track.last_year,
  track.area_m2,
  ranked_trend.method as trend_method,
  ranked_trend.n_seasons as trend_n_seasons,
  ranked_trend.area_rate_m2_yr as trend_rate_m2_yr,
  ranked_trend.area_rate_low_m2_yr as trend_rate_low_m2_yr,
  ranked_trend.area_rate_high_m2_yr as trend_rate_high_m2_yr,
  ranked_trend.growth_pct_yr as trend_pct_yr,
  ranked_interval.basis as latest_basis,
  ranked_interval.group_id as latest_group_id,
  ranked_interval.from_year as latest_from_year,
  ranked_interval.to_year as latest_to_year,
  ranked_interval.area_rate_m2_yr as latest_rate_m2_yr,
  ranked_interval.area_rate_sigma_m2_yr as latest_rate_sigma_m2_yr,
  ranked_interval.is_significant as latest_is_significant,
  ranked_interval.retreat_rate_m_yr as latest_retreat_rate_m_yr,
  track.lon,
  track.lat
from track
cross join asked
left join ranked_trend
  on ranked_trend.track_id = track.track_id
  and ranked_trend.nth = 1
left join ranked_interval
  on ranked_interval.track_id = track.track_id
  and ranked_interval.nth = 1
where track.validity <> 'retracted'
  and (ranked_trend.track_id is not null or ranked_interval.track_id is not null)
  and (asked.kind is null or track.kind = asked.kind)
  and track.area_m2 >= asked.min_area_m2
order by
  track.kind collate "C",
  track.validity collate "C",
  ranked_trend.area_rate_m2_yr desc nulls last,
  track.track_id collate "C"
