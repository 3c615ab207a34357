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
    started_at,
    finished_at
from ranked_run
where rank = 1
order by started_at, step
