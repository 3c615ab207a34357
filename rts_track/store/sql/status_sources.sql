-- One row per source, with its footprints.
select
    s.source,
    s.kind,
    s.mapper,
    count(f.footprint_id) as n_footprints,
    min(f.season_year) as first_year,
    max(f.season_year) as last_year
from source s
left join footprint f on f.source = s.source
group by s.source, s.kind, s.mapper
order by s.source
