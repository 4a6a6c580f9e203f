-- Domains: constraints are checked wherever a value becomes a domain's.
create domain posint as int check (value > 0);
create domain name_t as varchar(5) not null default 'anon' constraint no_x check (value <> 'x') check (length(value) > 1);
create domain posint as text;
create domain bad as nosuch;
create domain bad as int unique;
create domain bad as int primary key;
create domain bad as int references posint;
create domain bad as int not null null;
create domain bad as int default 1 default 2;
create domain bad as int check (value > 'a');
create domain bad as int check (x > 1);
create domain bad as int check (value);
create domain bad as int collate "C";
create domain bad as record;
select 5::posint, '7'::posint, 5::posint + 1, pg_typeof(5::posint), pg_typeof(5::posint + 1);
select 0::posint;
select '-3'::posint;
select null::posint;
select 'hello world'::name_t, 'hello'::name_t;
select 'x'::name_t;
select null::name_t;
select 'y'::name_t;
create table t (a posint, b name_t, c posint default 3);
insert into t (a) values (1);
insert into t values (2, 'two', 2);
insert into t values (0, 'two', 2);
insert into t values (1, null, 2);
insert into t values (1, 'toolong', 2);
insert into t values (1, 'two', default), (4, default, null);
insert into t select i, 'row', i from generate_series(-1, 1) i;
select * from t order by a, b, c;
update t set a = a - 2;
update t set a = a + 1, b = 'upd' where a = 2;
update t set b = null;
select * from t order by a, b, c;
copy t from stdin;
5	copy	5
\.
copy t from stdin;
-5	copy	5
\.
copy t from stdin;
5	\N	5
\.
select count(*) from t where a = 5;
select sum(a), max(b) from t;
-- Over each other, arrays, and in rows.
create domain small as posint check (value < 10);
select 5::small, 10::small;
select 10::small;
select 0::small;
create domain ints as int[] check (array_length(value, 1) < 3);
select '{1,2}'::ints, ('{1,2}'::ints)[2];
select '{1,2,3}'::ints;
select array[1,2]::posint[], '{1,2}'::posint[];
select array[1,0]::posint[];
select '{1,0}'::posint[];
create type pair as (a posint, b text);
select row(1, 'x')::pair, '(1,x)'::pair;
select row(0, 'x')::pair;
select '(0,x)'::pair;
create table arr (p posint[]);
insert into arr values ('{1,2,3}');
insert into arr values ('{1,-2,3}');
select p[2] + 1 from arr;
-- Changing them.
alter domain posint add constraint even check (value % 2 = 0);
delete from t where a % 2 = 1;
alter domain posint add constraint below check (value < 1000) not valid;
alter domain posint validate constraint below;
alter domain posint validate constraint nosuch;
alter domain small set default 4;
alter domain small set not null;
create table u (s small, id int);
insert into u (id) values (1);
insert into u values (null, 2);
alter domain small drop not null;
insert into u values (null, 2);
alter domain small set not null;
alter domain small add constraint odd check (value % 2 = 1);
alter domain small drop default;
insert into u (id) values (3);
select * from u order by id;
alter domain small drop constraint small_check;
insert into u values (12, 4);
alter domain small drop constraint nosuch;
alter domain small drop constraint if exists nosuch;
alter domain small rename constraint nosuch to other;
alter domain name_t rename constraint no_x to no_ex;
\dD
select conname, pg_get_constraintdef(c.oid) from pg_constraint c join pg_type t on t.oid = contypid
  where typnamespace = 'public'::regnamespace order by 1;
alter domain nosuch set not null;
drop domain posint;
drop type name_t;
\d t
drop domain posint cascade;
select * from u order by id;
\d t
\dD
