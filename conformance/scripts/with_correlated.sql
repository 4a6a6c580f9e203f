-- WITH queries that depend on rows outside of them.
create table tr(id int primary key, parent int, v int);
insert into tr select i, i/2, i*3 from generate_series(1,20) i;
with recursive r(n) as (select 1 union all select n+1 from r where n < 5) select * from r;
with recursive r(n) as (select 1 union all select (with w as (select 1 as x) select x+n from w) from r where n < 5) select * from r;
with recursive r(n) as (select 1 union all select n+1 from r where n < (with w as (select 5 as x) select x from w)) select * from r;
with recursive r(n) as (select 1 union all select n+1 from r where n < (with w as (select max(id) m from tr) select m from w) and n < 7) select * from r;
with recursive w as (select 5 as x), r(n) as (select 1 union all select n+1 from r where n < (select x from w)) select * from r;
with recursive w as materialized (select 5 as x), r(n) as (select 1 union all select n+1 from r, w where n < x) select * from r;
with recursive r(n) as (select 1 union all (with w as (select n from r) select n+1 from w where n < 5)) select * from r;
with recursive r(n) as (select 1 union all (with w as materialized (select n from r) select n+1 from w where n < 5)) select * from r;
with recursive r(n) as (select 1 union all (with w as (select n from r) select n+1 from w where n < 5 and exists (select from w w2))) select * from r;
with recursive r(n,k) as (select 1, 0 union all select n+1, (with w as materialized (select n as x) select x from w) from r where n < 5) select * from r;
with recursive r(n,k) as (select 1, 0::bigint union all select n+1, (with w as materialized (select id from tr where parent = n) select count(*) from w) from r where n < 5) select * from r;
with recursive r(n,k) as (select 1, 0::bigint union all select n+1, (with w as materialized (select id from tr where parent = n) select sum(w.id) from w, w w2) from r where n < 5) select * from r;
with recursive r(n) as (select 1 union select tr.id from tr join r on tr.parent = r.n where tr.id < (with w as (select max(id) m from tr) select m from w)) select count(*), sum(n) from r;
with recursive w as materialized (select id, parent from tr), r(n) as (select 1 union select w.id from w join r on w.parent = r.n) select count(*), sum(n) from r;
with recursive r(n) as (select 1 union all select n+1 from (with w as materialized (select n from r) select a.n from w a, w b) s where n < 5) select * from r;
select i, (with recursive r(n) as (select i union all select n+1 from r where n < 5) select sum(n) from r) from generate_series(1,6) i;
select i, (with recursive r(n) as (select i union all select n+1 from r where n < (with w as materialized (select 5 x) select x from w)) select sum(n) from r) from generate_series(1,6) i;
select i, (with recursive r(n) as (select 1 union all select n+1 from r where n < (with w as materialized (select i x) select x from w)) select sum(n) from r) from generate_series(1,6) i;
with recursive r(n) as (values (1) union all select n+1 from r where n < (select count(*) from (with w as materialized (select * from tr limit 5) select * from w) q)) select * from r;
with recursive r(n) as (values (1) union all select n+1 from r where (with w as materialized (select n as m) select m from w) < 5) select * from r;
with recursive r(n) as (values (1) union all select n+1 from r where (with w as materialized (select n as m) select max(a.m) from w a, w b) < 5) select * from r;
with recursive q(n) as (values (1) union all select (with recursive z(k) as (select n union all select k+1 from z where k < n+2) select max(k) from z) from q where n < 9) select * from q;
with recursive q(n) as (values (1) union all select n+1 from q where n < 3), p(m) as (select n from q union all select m+10 from p where m < (with w as materialized (select max(n) x from q) select x*10 from w)) select * from p order by 1;

-- A FROM item that reads its neighbour only inside a stored WITH query.
select * from generate_series(1, 3) i, lateral (with w as materialized (select i x) select * from w) s;
select * from generate_series(1, 3) i, lateral (with w as materialized (select i x union all select i * 10) select a.x, b.x y from w a, w b) s;
-- Pulled up into joins, or not.
select id from tr where id in (with w as materialized (select parent * 2 + 1 p) select p from w) order by id;
select id from tr t where exists (with w as materialized (select t.v / 3 p) select from w where p % 2 = 0) order by id;
select id from tr t where not exists (with w as materialized (select id i from tr where parent = t.id) select from w) order by id;
-- The WITH query of one level, read further in, depends on a level further out.
select id, (with w as materialized (select t.id * 2 y) select (select max(y) from w) + count(*) from tr where parent = t.id) from tr t where id < 6;
select id, (with w as materialized (select t.id * 2 y) select string_agg((select max(y) + u.id from w)::text, ',' order by u.id) from tr u where parent = t.id) from tr t where id < 6;
select id, (with w as materialized (select t.id y), w2 as materialized (select y + 1 z from w) select sum(z) from w2) from tr t where id < 4;
select id, array(with w as materialized (select parent p from tr where id <= t.id) select distinct p from w order by p) from tr t where id < 6;
drop table tr;
