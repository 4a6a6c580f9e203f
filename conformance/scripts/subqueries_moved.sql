-- Subqueries that the planner moves: what they mean stays where they were written.
create table t1(a int primary key, b int, c text, f date);
insert into t1 select i, case when i % 7 = 0 then null else (i * 13) % 11 end, 'x' || (i % 6), date '2024-01-01' + (i * 5) % 40 from generate_series(1, 40) i;
-- A constant of a subquery is NULL where it is no key of the grouping set.
select c1, count(*) from (select 88 c1 from t1) x group by grouping sets ((c1), ()) order by 1;
select c1, avg(c1), count(*) from (select 88 + 0 * coalesce(b, 0) c1 from t1) x group by rollup (c1) order by 1;
select c1, b, grouping(c1, b), count(*) from (select 'k' c1, b % 3 b from t1) x group by cube (c1, b) order by 1, 2, 3;
-- One subquery, planned once for the join and once for the filter.
select a, c0 from t1 right join (select (with w(v) as (select t.f - d.f from t1 d where d.c >= 'x4') select max(v) from w) c0 from t1 t) r on b = c0 where c0 + b > 0 order by 1, 2;
select count(*) from t1 x join (select a, (select max(y.a) from (select a from t1 where b > 3) y where y.a < t1.a) m from t1) z on x.a = z.m where z.m > x.b + 2 and z.m % 2 = (select count(*) % 2 from (select 1 from t1 where b = 2) q);
-- A semi join done as an inner join with one side made unique over a computed key.
create table t2(a int, b bigint);
insert into t2 select i % 9, (i * 31) % 13 from generate_series(1, 60) i;
create table t3(d numeric);
insert into t3 select (i * 11) % 17 / 3.0 from generate_series(1, 30) i;
insert into t3 values (5.0), (5.00), (1 + 1e-20);
analyze t2; analyze t3;
select count(*) from (t1 x join t2 y on true) cross join lateral (select x.a from t3 z limit 1) s where trunc(y.b) in (select d from t3);
select y.b, count(*) from t1 x, t2 y where y.b + 0.0 in (select d from t3) group by 1 order by 1;
select count(*) from t2 y where exists (select from t3 where d + 1 = y.b + 0.5 + 0.5);
-- Aggregates of an outer query inside of WITH queries.
select (with w(v) as (select count(x.a) from t1 y group by y.b % 2) select max(v) from w) from t1 x;
select (with w(v) as materialized (select count(x.a) + min(y.a) from t1 y) select max(v) from w) from t1 x;
select (with w(v) as (select count(x.a) + min(y.a) from t1 y) select (select max(v) from w)) from t1 x;
select b % 3, (with w(v) as (select sum(x.a) + min(y.a) from t1 y where y.b = x.b % 3) select max(v) from w) from t1 x group by b % 3 order by 1;
explain (costs off) select b, count(*) from t1 group by cube (b, c) having count(*) > 100;
-- NULLs of a subquery whose column is cast for the comparison.
create table n1(a int, b int);
insert into n1 values (1, 1), (2, null), (3, 5);
select a from n1 where trunc(a) not in (select b / 2.0 from n1);
select a from n1 where a::float8 not in (select b::numeric from n1);
select a, a::float8 = any (select b::numeric from n1) from n1;
select a, (a::float8, a::numeric) in (select b::numeric, b from n1) from n1;
select a, (a::float8, b) not in (select coalesce(b, 7)::numeric, b from n1) from n1;
drop table t1, t2, t3, n1;
