-- One row per kind of tracks.
select
    kind,
    count(*) as n_tracks,
    count(*) filter (where validity = 'confirmed') as n_confirmed,
    count(*) filter (where validity = 'tentative') as n_tentative,
    count(*) filter (where activity = 'active') as n_active,
    count(*) filter (where activity = 'stable') as n_stable,
    count(*) filter (where activity = 'merged') as n_merged,
    min(first_year) as first_year,
    max(last_year) as last_year
from track
where validity <> 'retracted'
group by kind
order by kind
