-- migrate:up

set local role rts_track_owner;

create table rts_track.verdict (
  verdict_id text collate "C" not null,
  target_kind text collate "C" not null,
  target_id text collate "C" not null,
  verdict text collate "C" not null,
  value json,
  decided_by text collate "C" not null,
  decided_at timestamptz not null,
  reason text collate "C",
  supersedes text collate "C",
  constraint verdict_pkey primary key (verdict_id),
  constraint verdict_target_kind_check
    check (target_kind in ('footprint', 'link', 'track')),
  constraint verdict_verdict_check
    check (verdict in ('accept', 'reject', 'relink')),
  constraint verdict_supersedes_fkey foreign key (supersedes)
    references rts_track.verdict deferrable initially deferred
);

comment on table rts_track.verdict
  is 'a person''s decision on a footprint, link or track; it wins over what was computed';
comment on column rts_track.verdict.verdict_id is 'derived from target, verdict, who and when';
comment on column rts_track.verdict.target_kind is 'what it is about';
comment on column rts_track.verdict.target_id
  is 'footprint_id, track_id, or for a link an id derived from its two footprints';
comment on column rts_track.verdict.verdict is 'what was decided';
comment on column rts_track.verdict.value
  is 'where its target lies, so that it is found again after a redo';
comment on column rts_track.verdict.decided_by is 'who';
comment on column rts_track.verdict.decided_at is 'when [UTC]';
comment on column rts_track.verdict.reason is 'why';
comment on column rts_track.verdict.supersedes
  is 'former verdict on the same target; one that none supersedes is in force';

create index verdict_target_kind_target_id_idx on rts_track.verdict (target_kind, target_id);
create index verdict_supersedes_idx on rts_track.verdict (supersedes) where supersedes is not null;

comment on column rts_track.run.step is 'import, link, measure, region or verdict';
comment on column rts_track.event.related_track_id
  is 'merge: the track that goes on; split: the parent; reinitiate: the scar';
comment on column rts_track.link.confidence
  is 'how probable it is, as calibrated on simulated histories; a person''s: 1 [1]';
comment on column rts_track.event.confidence
  is 'how probable it is, as calibrated on simulated histories; a person''s: 1 [1]';
comment on column rts_track.growth.migration_azimuth_deg
  is 'where the active front moved; null: a group, or not beyond its error [degrees from north]';

alter table rts_track.scene_shift
  drop constraint scene_shift_method_check,
  add constraint scene_shift_method_check
    check (method in ('mutual_best', 'coregistration'));

reset role;

-- migrate:down

drop table rts_track.verdict;
alter table rts_track.scene_shift
  drop constraint scene_shift_method_check,
  add constraint scene_shift_method_check
    check (method in ('mutual_best'));
comment on column rts_track.run.step is 'import, link, measure or region';
comment on column rts_track.event.related_track_id
  is 'merge: the track that goes on; split: the parent';
comment on column rts_track.link.confidence
  is 'its weight beside its strongest rival; not calibrated [1]';
comment on column rts_track.event.confidence
  is 'how far the evidence carries; not calibrated [1]';
comment on column rts_track.growth.migration_azimuth_deg
  is 'where the front moved [degrees from north]';
