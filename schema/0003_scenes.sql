-- migrate:up

set local role rts_track_owner;

alter table rts_track.look add column failure text collate "C";
comment on column rts_track.look.failure is 'why the search failed; null where it did not';
comment on column rts_track.look.geometry
  is 'area searched; where the scene lies if the search failed or nothing was clear [WGS 84 lon/lat]';
comment on column rts_track.look.looked_area_m2
  is 'area searched; 0 where the search failed or nothing was clear [m2]';
comment on column rts_track.scene.clear_geometry
  is 'part without cloud, shadow, haze, snow, ice, nodata; null: none, or unknown [WGS 84 lon/lat]';
comment on column rts_track.scene_shift.n is 'pairs of outlines, or windows of images, used';
comment on column rts_track.run.step
  is 'import, ingest, align, detect, link, measure, region or verdict';

reset role;

-- migrate:down

alter table rts_track.look drop column failure;
comment on column rts_track.look.geometry is 'area searched [WGS 84 lon/lat]';
comment on column rts_track.look.looked_area_m2 is 'area searched [m2]';
comment on column rts_track.run.step is 'import, link, measure, region or verdict';
comment on column rts_track.scene.clear_geometry
  is 'part without cloud, shadow, haze, snow, ice, nodata [WGS 84 lon/lat]';
comment on column rts_track.scene_shift.n is 'pairs of outlines used';
