-- One row per kind and season that has outlines.
select distinct
    o.kind,
    o.season_year
from outline o
order by o.kind, o.season_year
