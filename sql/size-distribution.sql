-- question: How are the slumps of a season distributed over sizes?
-- grain: one row per kind and class of area that holds a slump; retracted tracks and clipped outlines are left out
-- params:
--   season: int = none: the season; none: the latest with an outline
--   kind: text in landform|active_zone = none: what the outlines follow; none: both
--   classes_per_decade: int = 4: classes between an area and ten times that area; at least 1
--   min_area_m2: double = 0 [m2]: smallest area in that season
-- units:
--   kind: text: landform or active zone
--   season_year: int: the season
--   area_from_m2: double [m2]: lower bound of the class, in it
--   area_to_m2: double [m2]: upper bound, no longer in it
--   n_tracks: int: confirmed slumps
--   area_m2: double [m2]: their area
--   tracks_frac: double [1]: their share of all confirmed slumps; empty where there are none
--   at_least_frac: double [1]: share of all confirmed slumps that lie in this class or a larger one
--   density_per_m2: double [1/m2]: tracks_frac per width of the class: comparable between classes
--   n_tentative: int: tentative slumps (seen in one season); in none of the figures above
--   tentative_area_m2: double [m2]: their area
with asked as (
  select
    cast($season as integer) as season_year,
    cast($kind as text) as kind,
    cast(greatest(cast($classes_per_decade as integer), 1) as double precision) as per_decade,
    cast($min_area_m2 as double precision) as min_area_m2
),
whole_outline as (
  select
    track.kind,
    track.validity,
    track_state.season_year,
    track_state.area_m2
  from track_state
  join track
    on track.track_id = track_state.track_id
  cross join asked
  where track.validity <> 'retracted'
    and track_state.state in ('observed', 'partial')
    and not track_state.is_clipped
    and track_state.area_m2 > 0
    and (asked.kind is null or track.kind = asked.kind)
    and (asked.season_year is null or track_state.season_year = asked.season_year)
),
latest_season as (
  select
    max(whole_outline.season_year) as season_year
  from whole_outline
),
size_class as (
  select
    whole_outline.kind,
    whole_outline.season_year,
    asked.per_decade,
    floor(log10(whole_outline.area_m2) * asked.per_decade) as class_number,
    count(*) filter (where whole_outline.validity = 'confirmed') as n_tracks,
    sum(whole_outline.area_m2) filter (where whole_outline.validity = 'confirmed') as area_m2,
    count(*) filter (where whole_outline.validity = 'tentative') as n_tentative,
    sum(whole_outline.area_m2) filter (
      where whole_outline.validity = 'tentative'
    ) as tentative_area_m2
  from whole_outline
  join latest_season
    on latest_season.season_year = whole_outline.season_year
  cross join asked
  where whole_outline.area_m2 >= asked.min_area_m2
  group by
    whole_outline.kind,
    whole_outline.season_year,
    asked.per_decade,
    floor(log10(whole_outline.area_m2) * asked.per_decade)
),
bounded_class as (
  select
    size_class.*,
    power(cast(10 as double precision), size_class.class_number / size_class.per_decade)
      as area_from_m2,
    power(cast(10 as double precision), (size_class.class_number + 1) / size_class.per_decade)
      as area_to_m2,
    cast(size_class.n_tracks as double precision)
      / nullif(cast(sum(size_class.n_tracks) over kind_classes as double precision), 0)
      as tracks_frac,
    cast(sum(size_class.n_tracks) over larger_classes as double precision)
      / nullif(cast(sum(size_class.n_tracks) over kind_classes as double precision), 0)
      as at_least_frac
  from size_class
  window
    kind_classes as (partition by size_class.kind),
    larger_classes as (partition by size_class.kind order by size_class.class_number desc)
)
select
  bounded_class.kind,
  bounded_class.season_year,
  bounded_class.area_from_m2,
  bounded_class.area_to_m2,
  cast(bounded_class.n_tracks as integer) as n_tracks,
  coalesce(bounded_class.area_m2, 0) as area_m2,
  bounded_class.tracks_frac,
  bounded_class.at_least_frac,
  bounded_class.tracks_frac
    / (bounded_class.area_to_m2 - bounded_class.area_from_m2) as density_per_m2,
  cast(bounded_class.n_tentative as integer) as n_tentative,
  coalesce(bounded_class.tentative_area_m2, 0) as tentative_area_m2
from bounded_class
order by
  bounded_class.kind collate "C",
  bounded_class.class_number
