-- Functions in language SQL.
create function add1(int) returns int language sql as 'select $1 + 1';
create function add2(a int, b int default 10) returns int immutable language sql as $$ select a + add2.b $$;
select add1(41), add2(1, 2), add2(1), add2(b => 5, a => 1), add2(1, b := 3);
select add1('x');
select add1(1, 2);
select add1(i) from generate_series(1, 3) i;
create function add1(int) returns int language sql as 'select $1 + 100';
create or replace function add1(int) returns int language sql as 'select $1 + 100';
select add1(41);
create or replace function add1(int) returns text language sql as 'select $1::text';
create or replace function add2(a int, c int default 10) returns int language sql as $$ select 1 $$;
create or replace function add2(a int, b int) returns int language sql as $$ select 1 $$;
create table emp (id int primary key, name text, salary numeric, boss int);
insert into emp values (1, 'Ann', 100, null), (2, 'Bob', 50, 1), (3, 'Cid', 70, 1), (4, 'Dan', 30, 2);
create function emp_name(int) returns text stable language sql as 'select name from emp where id = $1';
create function reports(boss_id int) returns setof emp stable language sql
  as $$ select * from emp where boss = boss_id order by id $$;
create function names() returns setof text language sql as 'select name from emp order by name';
create function top(n int) returns table (who text, gets numeric) language sql
  as $$ select name, salary from emp order by salary desc limit n $$;
create function minmax(out least_pay numeric, out most_pay numeric) language sql
  as 'select min(salary), max(salary) from emp';
create function one_out(inout x int) language sql as 'select x * 2';
select emp_name(2), emp_name(9);
select * from reports(1);
select name, (reports(id)).name from emp order by 1, 2;
select names();
select * from names() as n where n > 'B';
select * from names() with ordinality;
select * from top(2);
select who from top(3) where gets < 100;
select * from minmax();
select minmax();
select (minmax()).most_pay;
select one_out(4), * from one_out(5);
select reports(1);
select (reports(1)).id;
select e.name, r.name from emp e, lateral reports(e.id) r order by 1, 2;
create function double_salary(emp) returns numeric language sql as 'select $1.salary * 2';
select name, double_salary(emp.*) from emp order by id;
select name, emp.double_salary from emp order by id;
create function raise_pay(who int, by numeric) returns numeric language sql as $$
  update emp set salary = salary + by where id = who;
  select salary from emp where id = who;
$$;
select raise_pay(4, 5);
select id, raise_pay(id, 1) from emp order by id;
create function hire(int, text) returns emp language sql as $$
  insert into emp values ($1, $2, 10, 1) returning * $$;
select * from hire(5, 'Eve');
select hire(6, 'Fay');
select hire(6, 'Gus');
create function fire(int) returns void language sql as 'delete from emp where id = $1';
select fire(6);
select fire(5) is null;
select count(*) from emp;
create function nothing() returns void language sql as '';
select nothing();
-- STRICT, polymorphic, variadic.
create function strict_add(int, int) returns int strict language sql as 'select coalesce($1, 0) + coalesce($2, 0)';
select strict_add(1, 2), strict_add(1, null);
create function pick(anyelement, anyelement, boolean) returns anyelement language sql as 'select case when $3 then $1 else $2 end';
select pick(1, 2, true), pick('a'::text, 'b', false), pick(1.5, 2, true);
select pick(1, 'x'::text, true);
create function wrap(anyelement) returns anyarray language sql as 'select array[$1, $1]';
select wrap(1), wrap('x'::text);
create function total(variadic nums int[]) returns bigint language sql as 'select sum(n) from unnest(nums) n';
select total(1, 2, 3), total(variadic array[4, 5]);
create function bad() returns anyelement language sql as 'select 1';
-- Results are cast.
create function as_float() returns float8 language sql as 'select 1';
create function as_num(int) returns numeric(10,2) language sql as 'select $1';
select as_float(), as_num(3), pg_typeof(as_num(3));
-- What is wrong is said when the function is made.
create function bad() returns int language sql as 'select nosuch';
create function bad() returns int language sql as 'selec 1';
create function bad() returns int language sql as $$ select 'text' $$;
create function bad() returns int language sql as 'select 1, 2';
create function bad() returns int language sql as '';
create function bad() returns int language sql as 'delete from emp';
create function bad() returns emp language sql as 'select 1';
create function bad() returns emp language sql as $$ select 1, 2, 3, 4 $$;
create function bad() returns int language sql as 'select $1';
create function bad(a int, a text) returns int language sql as 'select 1';
create function bad(a int default 1, b text) returns int language sql as 'select 1';
create function bad(out a int, out b int) returns int language sql as 'select 1, 2';
create function bad() language sql as 'select 1';
create function bad() returns int as 'select 1';
create function bad() returns int language nosuch as 'select 1';
create function bad() returns nosuch language sql as 'select 1';
create function bad(int) returns int language sql immutable stable as 'select 1';
create function bad(int) returns int language sql cost 0 as 'select 1';
create function bad(int) returns int language sql rows 5 as 'select 1';
create function bad(variadic a int) returns int language sql as 'select 1';
create function bad(variadic a int[], b int) returns int language sql as 'select 1';
set check_function_bodies = off;
create function later() returns int language sql as 'select nosuch from emp';
reset check_function_bodies;
create function div(int, int) returns int language sql as 'select 1; select $1 / $2';
select div(1, 0);
create function calls(int) returns int language sql as 'select div($1, 0) + 1';
create function stable_change() returns int stable language sql as 'insert into emp values (9) returning id';
-- They change under prepared plans, and depend on things.
create or replace function add1(int) returns int language sql as 'select $1 + 7';
create view v as select add2(id) from emp;
drop function add2(int, int);
drop function add2;
drop function nosuch();
drop function add1(text);
drop type emp;
drop table emp;
create table wanted (i int);
create function uses() returns setof wanted language sql as 'select * from wanted';
drop table wanted;
drop table wanted cascade;
-- The standard's bodies.
create function sq(a int) returns int language sql immutable return a * a;
create function sq2(a int) returns int begin atomic select a * a; end;
create function first_emp() returns text begin atomic select 1; select name from emp order by id limit 1; end;
select sq(5), sq2(6), first_emp();
create function bad(a int) returns int language sql return nosuch;
create function bad(a anyelement) returns int language sql return 1;
-- Search paths.
create schema s1;
create schema s2;
create table s1.w (t text);
create table s2.w (t text);
insert into s1.w values ('s1');
insert into s2.w values ('s2');
create function s1.which() returns text language sql set search_path = s1 as 'select t from w';
set search_path = s2, public;
select s1.which();
create function which2() returns text language sql as 'select t from w';
select s2.which2();
set search_path = s1, s2;
select s2.which2(), which();
reset search_path;
-- In the catalogs.
alter function add1(int) rename to add_one;
alter function add_one(int) immutable strict cost 5;
alter function add_one(int) set schema s2;
alter function s2.add_one(int) nosuch;
alter function nosuch(int) stable;
alter procedure s2.add_one(int) rename to x;
\df s2.add_one
\df top
\df minmax
\df total
select pg_get_functiondef('top'::regproc);
select pg_get_functiondef('s2.add_one'::regproc);
select pg_get_functiondef('s1.which'::regproc);
select pg_get_function_arguments('add2'::regproc), pg_get_function_result('top'::regproc);
select proname, prokind, provolatile, proisstrict, proretset, pronargs, pronargdefaults, procost, prorows
  from pg_proc where proname in ('add_one', 'add2', 'names', 'total') order by 1;
-- Others may call it unless that is taken away.
create role regress_fn_user;
revoke execute on function add2(int, int) from public;
set role regress_fn_user;
select add2(1, 2);
select sq(3);
drop function sq(int);
alter function sq(int) stable;
create or replace function sq(a int) returns int language sql return 1;
reset role;
drop role regress_fn_user;
-- Built-ins under other names.
create function my_abs(int) returns int language internal immutable strict as 'int4abs';
select my_abs(-5), my_abs(null);
create function bad(int) returns int language internal as 'nosuch';
create function bad(int) returns int language c as 'nosuch', 'f';
create index on emp (sq(boss));
create table checked (i int check (sq(i) < 100), j int default sq(3));
insert into checked (i) values (9);
insert into checked (i) values (10);
select * from checked;
\d checked
drop function sq(int);
-- Procedures.
create procedure give(who int, by numeric) language sql as $$ update emp set salary = salary + by where id = who $$;
call give(1, 11);
call give(by => 1, who => 2);
select id, salary from emp where id < 3 order by id;
call give(1);
call sq(1);
call nosuch(1, 'a');
\df give
drop procedure give(int, numeric);
drop procedure give;
