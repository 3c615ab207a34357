-- migrate:up

-- PostGIS, if an administrator has not put it into this database already.
create extension if not exists postgis;

-- Group roles of the whole server: who owns the structure, who writes the tables, who reads them.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['rts_track_owner', 'rts_track_ingest', 'rts_track_read'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin', wanted);
      exception
        when duplicate_object or unique_violation then null; -- another database was quicker
      end;
    end if;
  end loop;
  begin
    set local role rts_track_owner;
    reset role;
  exception
    when insufficient_privilege then execute format('grant rts_track_owner to %I', current_user);
  end;
end
$$;

create schema rts_track authorization rts_track_owner;
create schema rts_track_internal authorization rts_track_owner;
set local role rts_track_owner;

comment on schema rts_track is 'the contract: every table that SQL, releases and checks read';
comment on schema rts_track_internal is 'bookkeeping that is no part of the contract';

create table rts_track.source (
  source text collate "C" not null,
  kind text collate "C" not null,
  mapper text collate "C" not null,
  sensor text collate "C",
  gsd_m double precision,
  min_area_m2 double precision,
  delineation_sigma_m double precision not null,
  recall double precision,
  citation text collate "C",
  licence text collate "C",
  constraint source_pkey primary key (source),
  constraint source_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint source_mapper_check
    check (mapper in ('model', 'person')),
  constraint source_min_area_m2_check check (min_area_m2 >= 0)
);

comment on table rts_track.source
  is 'who maps what how: a model ensemble on a sensor, or people with an inventory';
comment on column rts_track.source.source is 'name of the source';
comment on column rts_track.source.kind is 'what its polygons outline';
comment on column rts_track.source.mapper is 'who draws the outlines';
comment on column rts_track.source.sensor is 'sensor, where there is one';
comment on column rts_track.source.gsd_m is 'ground sampling distance [m]';
comment on column rts_track.source.min_area_m2 is 'smallest area the source maps [m2]';
comment on column rts_track.source.delineation_sigma_m
  is 'coherent offset of its outlines, 1 sigma [m]';
comment on column rts_track.source.recall is 'share of the slumps in its looks that it finds [1]';
comment on column rts_track.source.citation is 'how to cite it';
comment on column rts_track.source.licence is 'licence of its outlines';

create table rts_track.scene (
  scene_id text collate "C" not null,
  source text collate "C" not null,
  season_year integer not null,
  observed_from date not null,
  observed_to date not null,
  acquired_at timestamptz,
  gsd_m double precision,
  cloud_frac double precision,
  uri text collate "C",
  content_sha256 text collate "C",
  geometry geometry(MultiPolygon, 4326) not null,
  clear_geometry geometry(MultiPolygon, 4326),
  constraint scene_pkey primary key (scene_id),
  constraint scene_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry)),
  constraint scene_clear_geometry_check
    check (st_isvalid(clear_geometry) and not st_isempty(clear_geometry))
);

comment on table rts_track.scene is 'one acquisition, or a mosaic of several';
comment on column rts_track.scene.scene_id is 'id of the scene';
comment on column rts_track.scene.source is 'source that maps on it';
comment on column rts_track.scene.season_year is 'thaw season of this calendar year';
comment on column rts_track.scene.observed_from is 'first day of its acquisition';
comment on column rts_track.scene.observed_to
  is 'last day of its acquisition; equal to the first when exact';
comment on column rts_track.scene.acquired_at is 'instant of acquisition [UTC]';
comment on column rts_track.scene.gsd_m is 'ground sampling distance [m]';
comment on column rts_track.scene.cloud_frac is 'cloudy share [1]';
comment on column rts_track.scene.uri is 'where the scene lies';
comment on column rts_track.scene.content_sha256 is 'digest of its content';
comment on column rts_track.scene.geometry
  is 'extent; where only footprints are known, their convex hull [WGS 84 lon/lat]';
comment on column rts_track.scene.clear_geometry
  is 'part without cloud, shadow, haze, snow, ice, nodata [WGS 84 lon/lat]';

create table rts_track.look (
  look_id text collate "C" not null,
  source text collate "C" not null,
  scene_id text collate "C",
  run_id text collate "C" not null,
  season_year integer not null,
  from_on date not null,
  to_on date not null,
  basis text collate "C" not null,
  status text collate "C" not null,
  is_current boolean not null,
  looked_area_m2 double precision not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint look_pkey primary key (look_id),
  constraint look_basis_check
    check (basis in ('measured', 'assumed')),
  constraint look_status_check
    check (status in ('done', 'failed')),
  constraint look_looked_area_m2_check check (looked_area_m2 >= 0),
  constraint look_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.look is 'a finished search of a clear area, even one that found nothing';
comment on column rts_track.look.look_id is 'id of the look';
comment on column rts_track.look.source is 'source that searched';
comment on column rts_track.look.scene_id is 'scene that was searched';
comment on column rts_track.look.run_id is 'run that wrote the row';
comment on column rts_track.look.season_year is 'thaw season of this calendar year';
comment on column rts_track.look.from_on is 'first day searched';
comment on column rts_track.look.to_on is 'last day searched';
comment on column rts_track.look.basis is 'known, or merely stated by a user';
comment on column rts_track.look.status is 'whether the search finished';
comment on column rts_track.look.is_current is 'false once a rerun superseded it';
comment on column rts_track.look.looked_area_m2 is 'area searched [m2]';
comment on column rts_track.look.geometry is 'area searched [WGS 84 lon/lat]';

create table rts_track.run (
  run_id text collate "C" not null,
  step text collate "C" not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  code_version text collate "C" not null,
  bundle_sha256 text collate "C",
  params json not null,
  inputs_sha256 text collate "C" not null,
  constraint run_pkey primary key (run_id)
);

comment on table rts_track.run is 'one execution of a step';
comment on column rts_track.run.run_id
  is 'derived from code version, parameters, bundle and inputs';
comment on column rts_track.run.step is 'import, link, measure or region';
comment on column rts_track.run.started_at is 'when it began [UTC]';
comment on column rts_track.run.finished_at is 'when it ended [UTC]';
comment on column rts_track.run.code_version is 'version of rts-track';
comment on column rts_track.run.bundle_sha256 is 'digest of the model bundle';
comment on column rts_track.run.params is 'parameters, whole';
comment on column rts_track.run.inputs_sha256 is 'digest of what it read';

create table rts_track.footprint (
  footprint_id text collate "C" not null,
  source text collate "C" not null,
  source_feature_id text collate "C",
  look_id text collate "C",
  scene_id text collate "C",
  run_id text collate "C" not null,
  outline_id text collate "C",
  season_year integer not null,
  observed_from date not null,
  observed_to date not null,
  date_basis text collate "C" not null,
  prob_mean double precision,
  prob_max double precision,
  spread_mean double precision,
  area_m2 double precision not null,
  perimeter_m double precision not null,
  is_clipped boolean not null,
  lon double precision not null,
  lat double precision not null,
  attributes json not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint footprint_pkey primary key (footprint_id),
  constraint footprint_date_basis_check
    check (date_basis in ('exact', 'range', 'season')),
  constraint footprint_area_m2_check check (area_m2 >= 0),
  constraint footprint_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.footprint is 'one polygon found in one look, or imported';
comment on column rts_track.footprint.footprint_id is 'derived from content and look';
comment on column rts_track.footprint.source is 'source that found it';
comment on column rts_track.footprint.source_feature_id
  is 'its id in the source: <file stem>:<id or row number>';
comment on column rts_track.footprint.look_id is 'look that found it';
comment on column rts_track.footprint.scene_id is 'scene it was found on';
comment on column rts_track.footprint.run_id is 'run that wrote the row';
comment on column rts_track.footprint.outline_id
  is 'outline it belongs to; null before linking and once superseded';
comment on column rts_track.footprint.season_year is 'thaw season of this calendar year';
comment on column rts_track.footprint.observed_from is 'first day it may have been seen';
comment on column rts_track.footprint.observed_to is 'last day it may have been seen';
comment on column rts_track.footprint.date_basis is 'how well the date is known';
comment on column rts_track.footprint.prob_mean is 'mean probability [1]';
comment on column rts_track.footprint.prob_max is 'highest probability [1]';
comment on column rts_track.footprint.spread_mean is 'mean spread of the ensemble''s members [1]';
comment on column rts_track.footprint.area_m2 is 'area in EPSG:6931 [m2]';
comment on column rts_track.footprint.perimeter_m is 'length of all rings [m]';
comment on column rts_track.footprint.is_clipped
  is 'cut by an edge or nodata: its area is a lower bound';
comment on column rts_track.footprint.lon
  is 'longitude of a point on the surface of the polygon [degrees east]';
comment on column rts_track.footprint.lat
  is 'latitude of a point on the surface of the polygon [degrees north]';
comment on column rts_track.footprint.attributes is 'what else the source said of it';
comment on column rts_track.footprint.geometry is 'the footprint [WGS 84 lon/lat]';

create table rts_track.outline (
  outline_id text collate "C" not null,
  track_id text collate "C",
  source text collate "C" not null,
  kind text collate "C" not null,
  season_year integer not null,
  observed_on date not null,
  observed_sigma_d double precision not null,
  n_looks integer,
  n_hits integer not null,
  area_m2 double precision not null,
  area_sigma_m2 double precision not null,
  area_min_m2 double precision not null,
  area_max_m2 double precision not null,
  perimeter_m double precision not null,
  gsd_m double precision,
  prob_mean double precision,
  is_clipped boolean not null,
  lon double precision not null,
  lat double precision not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint outline_pkey primary key (outline_id),
  constraint outline_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint outline_area_m2_check check (area_m2 >= 0),
  constraint outline_area_sigma_m2_check check (area_sigma_m2 >= 0),
  constraint outline_area_min_m2_check check (area_min_m2 >= 0),
  constraint outline_area_max_m2_check check (area_max_m2 >= 0),
  constraint outline_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.outline
  is 'one polygon per place, season and kind: the consensus of that season''s looks';
comment on column rts_track.outline.outline_id is 'derived from its footprints';
comment on column rts_track.outline.track_id is 'track it belongs to';
comment on column rts_track.outline.source is 'source of the footprint that it follows';
comment on column rts_track.outline.kind is 'landform or active zone';
comment on column rts_track.outline.season_year is 'thaw season of this calendar year';
comment on column rts_track.outline.observed_on is 'median contributing date';
comment on column rts_track.outline.observed_sigma_d is 'standard deviation of that date [d]';
comment on column rts_track.outline.n_looks
  is 'current looks that cover it; null where looks are unknown';
comment on column rts_track.outline.n_hits is 'footprints it is made of';
comment on column rts_track.outline.area_m2 is 'area in EPSG:6931 [m2]';
comment on column rts_track.outline.area_sigma_m2 is '1 sigma of the area [m2]';
comment on column rts_track.outline.area_min_m2 is 'smallest area among its footprints [m2]';
comment on column rts_track.outline.area_max_m2 is 'largest area among its footprints [m2]';
comment on column rts_track.outline.perimeter_m is 'length of all rings [m]';
comment on column rts_track.outline.gsd_m
  is 'ground sampling distance of the footprint that it follows [m]';
comment on column rts_track.outline.prob_mean is 'mean probability of its footprints [1]';
comment on column rts_track.outline.is_clipped
  is 'cut by an edge or nodata: its area is a lower bound';
comment on column rts_track.outline.lon
  is 'longitude of a point on the surface of the polygon [degrees east]';
comment on column rts_track.outline.lat
  is 'latitude of a point on the surface of the polygon [degrees north]';
comment on column rts_track.outline.geometry is 'the outline [WGS 84 lon/lat]';

create table rts_track.link (
  link_id text collate "C" not null,
  from_outline_id text collate "C" not null,
  to_outline_id text collate "C" not null,
  from_year integer not null,
  to_year integer not null,
  kind text collate "C" not null,
  origin text collate "C" not null,
  overlap_m2 double precision not null,
  iou double precision not null,
  cover_from double precision not null,
  cover_to double precision not null,
  distance_m double precision not null,
  confidence double precision not null,
  is_ambiguous boolean not null,
  is_provisional boolean not null,
  run_id text collate "C" not null,
  constraint link_pkey primary key (link_id),
  constraint link_kind_check
    check (kind in ('main', 'split', 'merge', 'gap', 'fragment')),
  constraint link_origin_check
    check (origin in ('computed', 'person'))
);

comment on table rts_track.link is 'a scored edge between outlines of two seasons';
comment on column rts_track.link.link_id is 'derived from its two outlines';
comment on column rts_track.link.from_outline_id is 'earlier outline';
comment on column rts_track.link.to_outline_id is 'later outline';
comment on column rts_track.link.from_year is 'season of the earlier outline';
comment on column rts_track.link.to_year is 'season of the later outline';
comment on column rts_track.link.kind is 'what the edge means';
comment on column rts_track.link.origin is 'who drew it';
comment on column rts_track.link.overlap_m2 is 'shared area after the scenes'' shift [m2]';
comment on column rts_track.link.iou is 'intersection over union [1]';
comment on column rts_track.link.cover_from is 'shared part of the earlier outline [1]';
comment on column rts_track.link.cover_to is 'shared part of the later outline [1]';
comment on column rts_track.link.distance_m is 'gap between the outlines; 0 where they overlap [m]';
comment on column rts_track.link.confidence
  is 'its weight beside its strongest rival; not calibrated [1]';
comment on column rts_track.link.is_ambiguous is 'a rival is almost as good';
comment on column rts_track.link.is_provisional is 'may be settled once by the next season';
comment on column rts_track.link.run_id is 'run that wrote the row';

create table rts_track.scene_shift (
  scene_a text collate "C" not null,
  scene_b text collate "C" not null,
  dx_m double precision not null,
  dy_m double precision not null,
  se_m double precision not null,
  n integer not null,
  method text collate "C" not null,
  is_applied boolean not null,
  constraint scene_shift_pkey primary key (scene_a, scene_b),
  constraint scene_shift_method_check
    check (method in ('mutual_best'))
);

comment on table rts_track.scene_shift
  is 'how far the later of two scenes lies from the earlier; frozen once estimated';
comment on column rts_track.scene_shift.scene_a is 'earlier scene';
comment on column rts_track.scene_shift.scene_b is 'later scene';
comment on column rts_track.scene_shift.dx_m is 'shift of b against a to the east [m]';
comment on column rts_track.scene_shift.dy_m is 'shift of b against a to the north [m]';
comment on column rts_track.scene_shift.se_m is 'standard error of either component [m]';
comment on column rts_track.scene_shift.n is 'pairs of outlines used';
comment on column rts_track.scene_shift.method is 'how it was estimated';
comment on column rts_track.scene_shift.is_applied
  is 'larger than twice its standard error, and so corrected for';

create table rts_track.track (
  track_id text collate "C" not null,
  kind text collate "C" not null,
  lineage_id text collate "C" not null,
  activity text collate "C" not null,
  activity_year integer not null,
  validity text collate "C" not null,
  first_year integer not null,
  last_year integer not null,
  n_seasons_observed integer not null,
  area_m2 double precision not null,
  lon double precision not null,
  lat double precision not null,
  is_provisional boolean not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint track_pkey primary key (track_id),
  constraint track_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint track_activity_check
    check (activity in ('active', 'stable', 'merged', 'unknown')),
  constraint track_validity_check
    check (validity in ('tentative', 'confirmed', 'retracted')),
  constraint track_area_m2_check check (area_m2 >= 0),
  constraint track_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.track is 'one slump of one kind through time';
comment on column rts_track.track.track_id is 'minted once, never reused';
comment on column rts_track.track.kind is 'landform or active zone';
comment on column rts_track.track.lineage_id is 'family of tracks that splits and merges connect';
comment on column rts_track.track.activity is 'its last known state';
comment on column rts_track.track.activity_year is 'season of that state';
comment on column rts_track.track.validity is 'tentative: seen in one season';
comment on column rts_track.track.first_year is 'first season with an outline';
comment on column rts_track.track.last_year is 'last season with an outline';
comment on column rts_track.track.n_seasons_observed is 'seasons with an outline';
comment on column rts_track.track.area_m2 is 'area of its last outline [m2]';
comment on column rts_track.track.lon
  is 'longitude of a point on the surface of the polygon [degrees east]';
comment on column rts_track.track.lat
  is 'latitude of a point on the surface of the polygon [degrees north]';
comment on column rts_track.track.is_provisional is 'may be settled once by the next season';
comment on column rts_track.track.geometry is 'its last outline [WGS 84 lon/lat]';

create table rts_track.track_state (
  track_id text collate "C" not null,
  season_year integer not null,
  state text collate "C" not null,
  coverage_frac double precision,
  observed_from date,
  observed_to date,
  source text collate "C",
  area_m2 double precision,
  area_sigma_m2 double precision,
  n_outlines integer not null,
  is_clipped boolean not null,
  constraint track_state_pkey primary key (track_id, season_year),
  constraint track_state_state_check
    check (state in ('observed', 'partial', 'absent', 'unobserved')),
  constraint track_state_area_m2_check check (area_m2 >= 0),
  constraint track_state_area_sigma_m2_check check (area_sigma_m2 >= 0)
);

comment on table rts_track.track_state is 'a track in a season';
comment on column rts_track.track_state.track_id is 'the track';
comment on column rts_track.track_state.season_year is 'thaw season of this calendar year';
comment on column rts_track.track_state.state is 'what is known of it';
comment on column rts_track.track_state.coverage_frac
  is 'share of it that looks cover; null: unknown [1]';
comment on column rts_track.track_state.observed_from
  is 'first day it may have been seen, or was searched for';
comment on column rts_track.track_state.observed_to
  is 'last day it may have been seen, or was searched for';
comment on column rts_track.track_state.source is 'source of its outline';
comment on column rts_track.track_state.area_m2 is 'area of its outline [m2]';
comment on column rts_track.track_state.area_sigma_m2 is '1 sigma of the area [m2]';
comment on column rts_track.track_state.n_outlines
  is 'outlines of that season, those of other sources counted in';
comment on column rts_track.track_state.is_clipped is 'cut by an edge or nodata';

create table rts_track.lineage_state (
  lineage_id text collate "C" not null,
  season_year integer not null,
  area_m2 double precision,
  area_sigma_m2 double precision,
  n_members integer not null,
  n_measured integer not null,
  is_complete boolean not null,
  constraint lineage_state_pkey primary key (lineage_id, season_year),
  constraint lineage_state_area_m2_check check (area_m2 >= 0),
  constraint lineage_state_area_sigma_m2_check check (area_sigma_m2 >= 0)
);

comment on table rts_track.lineage_state is 'a lineage in a season, each outline counted once';
comment on column rts_track.lineage_state.lineage_id is 'the lineage';
comment on column rts_track.lineage_state.season_year is 'thaw season of this calendar year';
comment on column rts_track.lineage_state.area_m2 is 'summed area of its measured members [m2]';
comment on column rts_track.lineage_state.area_sigma_m2 is '1 sigma of that area [m2]';
comment on column rts_track.lineage_state.n_members is 'living tracks';
comment on column rts_track.lineage_state.n_measured is 'living tracks with a whole outline';
comment on column rts_track.lineage_state.is_complete
  is 'every living member measured; rates only then';

create table rts_track.event (
  event_id text collate "C" not null,
  track_id text collate "C" not null,
  related_track_id text collate "C",
  season_year integer not null,
  kind text collate "C" not null,
  after_on date,
  before_on date not null,
  confidence double precision not null,
  is_provisional boolean not null,
  evidence json not null,
  constraint event_pkey primary key (event_id),
  constraint event_kind_check
    check (kind in ('initiate', 'first_seen', 'merge', 'split', 'stabilise', 'reactivate', 'reinitiate'))
);

comment on table rts_track.event is 'what happened to a track, bracketed by two dates';
comment on column rts_track.event.event_id is 'derived from track, season, kind and related track';
comment on column rts_track.event.track_id is 'track it happened to';
comment on column rts_track.event.related_track_id
  is 'merge: the track that goes on; split: the parent';
comment on column rts_track.event.season_year is 'thaw season of this calendar year';
comment on column rts_track.event.kind is 'what happened';
comment on column rts_track.event.after_on is 'it happened after this day; null: unknown';
comment on column rts_track.event.before_on is 'it happened before this day, or on it';
comment on column rts_track.event.confidence is 'how far the evidence carries; not calibrated [1]';
comment on column rts_track.event.is_provisional is 'may be settled once by the next season';
comment on column rts_track.event.evidence is 'figures behind it';

create table rts_track.growth (
  track_id text collate "C" not null,
  basis text collate "C" not null,
  group_id text collate "C",
  from_year integer not null,
  to_year integer not null,
  from_on date not null,
  to_on date not null,
  years double precision not null,
  thaw_years double precision not null,
  area_change_m2 double precision not null,
  area_rate_m2_yr double precision not null,
  area_rate_m2_thaw_yr double precision,
  area_rate_sigma_m2_yr double precision not null,
  gained_m2 double precision not null,
  lost_m2 double precision not null,
  retreat_p95_m double precision,
  retreat_mean_m double precision,
  retreat_rate_m_yr double precision,
  retreat_floor_m double precision,
  migration_azimuth_deg double precision,
  is_cross_source boolean not null,
  is_significant boolean not null,
  constraint growth_pkey primary key (track_id, basis, from_year, to_year),
  constraint growth_basis_check
    check (basis in ('track', 'group'))
);

comment on table rts_track.growth is 'change of area over an interval';
comment on column rts_track.growth.track_id is 'the track';
comment on column rts_track.growth.basis
  is 'its own area, or its group''s where the interval holds a merge or split';
comment on column rts_track.growth.group_id is 'same for all tracks of the group';
comment on column rts_track.growth.from_year is 'season at the start';
comment on column rts_track.growth.to_year is 'season at the end';
comment on column rts_track.growth.from_on is 'day at the start';
comment on column rts_track.growth.to_on is 'day at the end';
comment on column rts_track.growth.years is 'calendar years between [a]';
comment on column rts_track.growth.thaw_years is 'thaw seasons between, parts counted [a]';
comment on column rts_track.growth.area_change_m2 is 'area at the end less area at the start [m2]';
comment on column rts_track.growth.area_rate_m2_yr is 'change per calendar year [m2/a]';
comment on column rts_track.growth.area_rate_m2_thaw_yr
  is 'change per thaw season; null without thaw [m2/a]';
comment on column rts_track.growth.area_rate_sigma_m2_yr
  is '1 sigma of the change per calendar year [m2/a]';
comment on column rts_track.growth.gained_m2
  is 'area only in the end, after the scenes'' shift [m2]';
comment on column rts_track.growth.lost_m2
  is 'area only in the start, after the scenes'' shift [m2]';
comment on column rts_track.growth.retreat_p95_m is '95th percentile of headwall retreat [m]';
comment on column rts_track.growth.retreat_mean_m is 'mean headwall retreat [m]';
comment on column rts_track.growth.retreat_rate_m_yr
  is '95th percentile of retreat per calendar year [m/a]';
comment on column rts_track.growth.retreat_floor_m is 'retreat below this is not detected [m]';
comment on column rts_track.growth.migration_azimuth_deg
  is 'where the front moved [degrees from north]';
comment on column rts_track.growth.is_cross_source is 'start and end are of different sources';
comment on column rts_track.growth.is_significant is 'change beyond 1.96 sigma';

create table rts_track.trend (
  track_id text collate "C" not null,
  n_seasons integer not null,
  method text collate "C" not null,
  time_basis text collate "C" not null,
  area_rate_m2_yr double precision not null,
  area_rate_low_m2_yr double precision not null,
  area_rate_high_m2_yr double precision not null,
  growth_pct_yr double precision,
  constraint trend_pkey primary key (track_id, method, time_basis),
  constraint trend_method_check
    check (method in ('interval', 'wls', 'theil_sen')),
  constraint trend_time_basis_check
    check (time_basis in ('calendar', 'thaw'))
);

comment on table rts_track.trend is 'growth over all seasons of a track';
comment on column rts_track.trend.track_id is 'the track';
comment on column rts_track.trend.n_seasons is 'seasons used';
comment on column rts_track.trend.method is 'estimator';
comment on column rts_track.trend.time_basis is 'clock';
comment on column rts_track.trend.area_rate_m2_yr is 'slope [m2/a]';
comment on column rts_track.trend.area_rate_low_m2_yr is 'lower end of its 95 % interval [m2/a]';
comment on column rts_track.trend.area_rate_high_m2_yr is 'upper end of its 95 % interval [m2/a]';
comment on column rts_track.trend.growth_pct_yr is 'slope of log area [%/a]';

create table rts_track.coverage (
  season_year integer not null,
  kind text collate "C" not null,
  basis text collate "C" not null,
  n_looks integer not null,
  area_m2 double precision not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint coverage_pkey primary key (season_year, kind, basis, n_looks),
  constraint coverage_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint coverage_basis_check
    check (basis in ('measured', 'assumed')),
  constraint coverage_area_m2_check check (area_m2 >= 0),
  constraint coverage_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.coverage
  is 'where a season was looked at; rows of a season and kind are disjoint';
comment on column rts_track.coverage.season_year is 'thaw season of this calendar year';
comment on column rts_track.coverage.kind is 'landform or active zone';
comment on column rts_track.coverage.basis is 'assumed only where no measured look lies';
comment on column rts_track.coverage.n_looks is 'looks of that basis, exactly so many';
comment on column rts_track.coverage.area_m2 is 'area in EPSG:6931 [m2]';
comment on column rts_track.coverage.geometry is 'the area [WGS 84 lon/lat]';

create table rts_track.coverage_cell (
  season_year integer not null,
  kind text collate "C" not null,
  cell_lon double precision not null,
  cell_lat double precision not null,
  cell_area_m2 double precision not null,
  looked_area_m2 double precision not null,
  constraint coverage_cell_pkey primary key (season_year, kind, cell_lon, cell_lat),
  constraint coverage_cell_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint coverage_cell_cell_area_m2_check check (cell_area_m2 >= 0),
  constraint coverage_cell_looked_area_m2_check check (looked_area_m2 >= 0)
);

comment on table rts_track.coverage_cell is 'what was looked at in a cell of 0.5 degrees';
comment on column rts_track.coverage_cell.season_year is 'thaw season of this calendar year';
comment on column rts_track.coverage_cell.kind is 'landform or active zone';
comment on column rts_track.coverage_cell.cell_lon is 'south-west corner [degrees east]';
comment on column rts_track.coverage_cell.cell_lat is 'south-west corner [degrees north]';
comment on column rts_track.coverage_cell.cell_area_m2 is 'area of the cell [m2]';
comment on column rts_track.coverage_cell.looked_area_m2
  is 'area looked at, measured or assumed [m2]';

create table rts_track.region (
  region_set text collate "C" not null,
  region_code text collate "C" not null,
  name text collate "C" not null,
  parent_code text collate "C",
  area_m2 double precision not null,
  geometry geometry(MultiPolygon, 4326) not null,
  constraint region_pkey primary key (region_set, region_code),
  constraint region_area_m2_check check (area_m2 >= 0),
  constraint region_geometry_check
    check (st_isvalid(geometry) and not st_isempty(geometry))
);

comment on table rts_track.region is 'an area to sum over';
comment on column rts_track.region.region_set is 'name of the set of regions';
comment on column rts_track.region.region_code is 'code of the region in its set';
comment on column rts_track.region.name is 'name of the region';
comment on column rts_track.region.parent_code is 'code of the region it belongs to';
comment on column rts_track.region.area_m2 is 'area in EPSG:6931 [m2]';
comment on column rts_track.region.geometry is 'the region [WGS 84 lon/lat]';

create table rts_track.region_coverage (
  region_set text collate "C" not null,
  region_code text collate "C" not null,
  season_year integer not null,
  kind text collate "C" not null,
  looked_area_m2 double precision not null,
  constraint region_coverage_pkey primary key (region_set, region_code, season_year, kind),
  constraint region_coverage_kind_check
    check (kind in ('landform', 'active_zone')),
  constraint region_coverage_looked_area_m2_check check (looked_area_m2 >= 0)
);

comment on table rts_track.region_coverage is 'what was looked at in a region';
comment on column rts_track.region_coverage.region_set is 'name of the set of regions';
comment on column rts_track.region_coverage.region_code is 'code of the region in its set';
comment on column rts_track.region_coverage.season_year is 'thaw season of this calendar year';
comment on column rts_track.region_coverage.kind is 'landform or active zone';
comment on column rts_track.region_coverage.looked_area_m2
  is 'area looked at, measured or assumed [m2]';

create table rts_track.track_region (
  track_id text collate "C" not null,
  region_set text collate "C" not null,
  region_code text collate "C" not null,
  constraint track_region_pkey primary key (track_id, region_set)
);

comment on table rts_track.track_region
  is 'region of a track, by its founding outline''s point, once';
comment on column rts_track.track_region.track_id is 'the track';
comment on column rts_track.track_region.region_set is 'name of the set of regions';
comment on column rts_track.track_region.region_code is 'code of the region in its set';

create table rts_track.track_alias (
  old_track_id text collate "C" not null,
  track_id text collate "C",
  run_id text collate "C" not null,
  version text collate "C",
  reason text collate "C" not null,
  constraint track_alias_pkey primary key (old_track_id)
);

comment on table rts_track.track_alias
  is 'the same slump re-identified: one row an old id, flattened';
comment on column rts_track.track_alias.old_track_id
  is 'id that is no longer used: a track''s or a lineage''s';
comment on column rts_track.track_alias.track_id is 'id that stands for it now; null: retracted';
comment on column rts_track.track_alias.run_id is 'run that wrote the row';
comment on column rts_track.track_alias.version is 'release in which the id moved';
comment on column rts_track.track_alias.reason is 'why it moved';

create table rts_track_internal.step_input (
  step text collate "C" not null,
  unit text collate "C" not null,
  inputs_sha256 text collate "C" not null,
  constraint step_input_pkey primary key (step, unit)
);

comment on table rts_track_internal.step_input
  is 'what a step last read for a unit of work; equal digests mean nothing to do';
comment on column rts_track_internal.step_input.step is 'the step';
comment on column rts_track_internal.step_input.unit
  is 'its unit of work, such as a season and kind';
comment on column rts_track_internal.step_input.inputs_sha256 is 'digest of what it read';

create table rts_track_internal.superseded_footprint (
  footprint_id text collate "C" not null,
  run_id text collate "C" not null,
  constraint superseded_footprint_pkey primary key (footprint_id)
);

comment on table rts_track_internal.superseded_footprint
  is 'footprints whose source feature was imported again with another outline';
comment on column rts_track_internal.superseded_footprint.footprint_id is 'the former footprint';
comment on column rts_track_internal.superseded_footprint.run_id
  is 'run that brought its successor';

-- References are checked at the end of a transaction, so that rows may come in any order.

alter table rts_track.scene
  add constraint scene_source_fkey foreign key (source)
    references rts_track.source deferrable initially deferred;

alter table rts_track.look
  add constraint look_source_fkey foreign key (source)
    references rts_track.source deferrable initially deferred,
  add constraint look_scene_id_fkey foreign key (scene_id)
    references rts_track.scene deferrable initially deferred,
  add constraint look_run_id_fkey foreign key (run_id)
    references rts_track.run deferrable initially deferred;

alter table rts_track.footprint
  add constraint footprint_source_fkey foreign key (source)
    references rts_track.source deferrable initially deferred,
  add constraint footprint_look_id_fkey foreign key (look_id)
    references rts_track.look deferrable initially deferred,
  add constraint footprint_scene_id_fkey foreign key (scene_id)
    references rts_track.scene deferrable initially deferred,
  add constraint footprint_run_id_fkey foreign key (run_id)
    references rts_track.run deferrable initially deferred,
  add constraint footprint_outline_id_fkey foreign key (outline_id)
    references rts_track.outline deferrable initially deferred;

alter table rts_track.outline
  add constraint outline_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred,
  add constraint outline_source_fkey foreign key (source)
    references rts_track.source deferrable initially deferred;

alter table rts_track.link
  add constraint link_from_outline_id_fkey foreign key (from_outline_id)
    references rts_track.outline deferrable initially deferred,
  add constraint link_to_outline_id_fkey foreign key (to_outline_id)
    references rts_track.outline deferrable initially deferred,
  add constraint link_run_id_fkey foreign key (run_id)
    references rts_track.run deferrable initially deferred;

alter table rts_track.scene_shift
  add constraint scene_shift_scene_a_fkey foreign key (scene_a)
    references rts_track.scene deferrable initially deferred,
  add constraint scene_shift_scene_b_fkey foreign key (scene_b)
    references rts_track.scene deferrable initially deferred;

alter table rts_track.track_state
  add constraint track_state_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred,
  add constraint track_state_source_fkey foreign key (source)
    references rts_track.source deferrable initially deferred;

alter table rts_track.event
  add constraint event_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred,
  add constraint event_related_track_id_fkey foreign key (related_track_id)
    references rts_track.track deferrable initially deferred;

alter table rts_track.growth
  add constraint growth_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred;

alter table rts_track.trend
  add constraint trend_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred;

alter table rts_track.track_region
  add constraint track_region_track_id_fkey foreign key (track_id)
    references rts_track.track deferrable initially deferred;

alter table rts_track.track_alias
  add constraint track_alias_run_id_fkey foreign key (run_id)
    references rts_track.run deferrable initially deferred;

-- For maps, for seasons, for features met again, and for rows whose outline or track is removed.
-- Looks and scenes never are: a footprint, of which there are most, has no index for them.

create index scene_geometry_idx on rts_track.scene using gist (geometry);
create index scene_season_year_idx on rts_track.scene (season_year);
create index scene_source_idx on rts_track.scene (source);
create index look_geometry_idx on rts_track.look using gist (geometry);
create index look_season_year_idx on rts_track.look (season_year);
create index look_scene_id_idx on rts_track.look (scene_id) where scene_id is not null;
create index footprint_geometry_idx on rts_track.footprint using gist (geometry);
create index footprint_season_year_idx on rts_track.footprint (season_year);
create index footprint_outline_id_idx on rts_track.footprint (outline_id) where outline_id is not null;
create index footprint_source_source_feature_id_idx on rts_track.footprint (source, source_feature_id);
create index outline_geometry_idx on rts_track.outline using gist (geometry);
create index outline_track_id_idx on rts_track.outline (track_id) where track_id is not null;
create index outline_season_year_kind_idx on rts_track.outline (season_year, kind);
create index link_from_outline_id_idx on rts_track.link (from_outline_id);
create index link_to_outline_id_idx on rts_track.link (to_outline_id);
create index link_from_year_to_year_idx on rts_track.link (from_year, to_year);
create index scene_shift_scene_b_idx on rts_track.scene_shift (scene_b);
create index track_geometry_idx on rts_track.track using gist (geometry);
create index track_lineage_id_idx on rts_track.track (lineage_id);
create index track_state_season_year_state_idx on rts_track.track_state (season_year, state);
create index lineage_state_season_year_idx on rts_track.lineage_state (season_year);
create index event_track_id_idx on rts_track.event (track_id);
create index event_related_track_id_idx on rts_track.event (related_track_id) where related_track_id is not null;
create index event_season_year_kind_idx on rts_track.event (season_year, kind);
create index growth_from_year_to_year_idx on rts_track.growth (from_year, to_year);
create index coverage_geometry_idx on rts_track.coverage using gist (geometry);
create index region_geometry_idx on rts_track.region using gist (geometry);
create index track_region_region_set_region_code_idx on rts_track.track_region (region_set, region_code);
create index track_alias_track_id_idx on rts_track.track_alias (track_id) where track_id is not null;

grant usage on schema rts_track to rts_track_ingest, rts_track_read;
grant usage on schema rts_track_internal to rts_track_ingest;
grant select on all tables in schema rts_track to rts_track_read;
grant select, insert, update, delete on all tables in schema rts_track to rts_track_ingest;
grant select, insert, update, delete on all tables in schema rts_track_internal to rts_track_ingest;
alter default privileges in schema rts_track
  grant select on tables to rts_track_read;
alter default privileges in schema rts_track
  grant select, insert, update, delete on tables to rts_track_ingest;
alter default privileges in schema rts_track_internal
  grant select, insert, update, delete on tables to rts_track_ingest;

reset role;
grant select on public.schema_migrations to rts_track_ingest, rts_track_read;

-- migrate:down

-- The roles stay: other databases of the server may use them.
drop schema rts_track_internal cascade;
drop schema rts_track cascade;
