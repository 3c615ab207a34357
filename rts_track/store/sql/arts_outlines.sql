-- One row per footprint that is in an outline of a landform, without its geometry: by whom ARTS's
-- rows are related.
select
    f.footprint_id,
    f.source_feature_id,
    f.outline_id,
    o.track_id,
    f.season_year,
    f.attributes
from footprint f
join outline o on o.outline_id = f.outline_id
where o.kind = 'landform'
order by f.footprint_id
