-- One row per step: its latest run.
with ranked_run as (
    select
        step,
        started_at,
        finished_at,
        row_number() over (partition by step order by started_at desc, run_id) as rank
    from run
)
select
    step,
    cast(started_at as date) as started_on,
    finished_at is not null as is_finished
from ranked_run
where rank = 1
order by started_at, step
