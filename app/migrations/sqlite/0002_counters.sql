-- The number of all articles is asked for with every page of them. It is kept, exactly, in the
-- transaction that changes it, instead of being counted each time.

create table counters (
    name  text primary key,
    value integer not null check (value >= 0)
) strict, without rowid;
insert into counters (name, value) select 'articles', count(*) from articles;
