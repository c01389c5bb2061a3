-- The number of all articles is asked for with every page of them. It is kept, exactly, in the
-- transaction that changes it: counting the table each time makes a page eight times slower.

create table counters (
    name  text collate "C" primary key,
    value bigint not null constraint counters_value_check check (value >= 0)
);
insert into counters (name, value) select 'articles', count(*) from articles;

-- Counts change far more often than anything else: room in the page keeps such updates off the
-- indexes (heap-only tuples), and bodies, which no list shows, move out of the row's way.
alter table articles set (fillfactor = 85, toast_tuple_target = 512);
alter table counters set (fillfactor = 10);
