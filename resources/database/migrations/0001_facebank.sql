-- The faces of known people. A show's photos are all of one model: the digest is part of what a photo refers to.
create table screenalytics.facebank (
    show text primary key,
    version text not null,
    model_digest text not null check (model_digest ~ '^[0-9a-f]{64}$'),
    stored_at timestamptz not null default now(),
    unique (show, model_digest)
);

create table screenalytics.facebank_person (
    show text not null references screenalytics.facebank (show) on delete cascade,
    person_id text not null,
    name text not null,
    primary key (show, person_id)
);

create table screenalytics.facebank_photo (
    show text not null,
    position integer not null,
    photo_id text not null,
    person_id text not null,
    model_digest text not null,
    vector vector(512) not null,
    primary key (show, position),
    unique (show, photo_id),
    foreign key (show, person_id) references screenalytics.facebank_person (show, person_id) on delete cascade,
    foreign key (show, model_digest) references screenalytics.facebank (show, model_digest) on delete cascade
);

-- In the row and not beside it: every search reads every vector.
alter table screenalytics.facebank_photo alter column vector set storage plain;
