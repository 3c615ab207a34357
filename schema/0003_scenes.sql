-- migrate:up

set local role rts_track_owner;

alter table rts_track.look add column failure text collate "C";
comment on column rts_track.look.failure is 'why the search failed; null where it did not';
comment on column rts_track.look.geometry
  is 'area searched; of a search that failed, where the scene lies [WGS 84 lon/lat]';
comment on column rts_track.look.looked_area_m2
  is 'area searched; 0 where the search failed [m2]';
comment on column rts_track.run.step
  is 'import, ingest, align, detect, link, measure, region or verdict';

reset role;

-- migrate:down

alter table rts_track.look drop column failure;
comment on column rts_track.look.geometry is 'area searched [WGS 84 lon/lat]';
comment on column rts_track.look.looked_area_m2 is 'area searched [m2]';
comment on column rts_track.run.step is 'import, link, measure, region or verdict';
