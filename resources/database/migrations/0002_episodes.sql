-- One vector for each track of an episode, and when and by which face it is seen.
create table screenalytics.episode (
    ep_id text primary key,
    show text not null,
    content_digest text not null,
    model_digest text not null check (model_digest ~ '^[0-9a-f]{64}$'),
    stored_at timestamptz not null default now(),
    unique (ep_id, model_digest)
);

create index on screenalytics.episode (show);

create table screenalytics.track (
    ep_id text not null,
    track_id text not null,
    identity_id text, -- null where the track is in no identity of the episode
    start_s double precision not null,
    end_s double precision not null check (end_s >= start_s),
    detection_id text not null, -- the track's best face, in the episode's face_crops
    model_digest text not null,
    vector vector(512) not null,
    primary key (ep_id, track_id),
    foreign key (ep_id, model_digest) references screenalytics.episode (ep_id, model_digest) on delete cascade
);

alter table screenalytics.track alter column vector set storage plain;
