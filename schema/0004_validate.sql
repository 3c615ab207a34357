-- migrate:up

set local role rts_track_owner;

comment on column rts_track.run.step
  is 'import, ingest, align, detect, link, measure, validate, region or verdict';

reset role;

-- migrate:down

comment on column rts_track.run.step
  is 'import, ingest, align, detect, link, measure, region or verdict';
