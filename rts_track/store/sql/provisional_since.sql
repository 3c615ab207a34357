-- One row: the first season with a row that the next season may settle; null where none is.
with provisional_row as (
    select t.first_year as season_year
    from track t
    where t.is_provisional
    union all
    select e.season_year
    from event e
    where e.is_provisional
    union all
    select l.to_year
    from link l
    where l.is_provisional
)
select min(p.season_year) as season_year
from provisional_row p
