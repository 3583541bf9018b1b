-- Who a track is, as the names of the episode say; null where it is nobody known.
alter table screenalytics.track add column person_id text, add column name text;
