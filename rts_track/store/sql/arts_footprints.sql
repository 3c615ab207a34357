-- One row per footprint of a season that is in an outline of a landform, in the order of ids.
select
    f.footprint_id,
    f.source,
    f.source_feature_id,
    f.scene_id,
    f.outline_id,
    o.track_id,
    f.season_year,
    f.observed_from,
    f.observed_to,
    f.area_m2,
    f.lon,
    f.lat,
    f.attributes,
    s.sensor,
    coalesce(c.gsd_m, s.gsd_m) as gsd_m,
    f.geometry
from footprint f
join outline o on o.outline_id = f.outline_id
join source s on s.source = f.source
left join scene c on c.scene_id = f.scene_id
where o.kind = 'landform'
and f.season_year = cast($season as integer)
order by f.footprint_id
