-- Several databases, what keeps sessions out of them, and the settings that they start with.
create role regress_db_owner login createdb;
create role regress_db_guest login;
create database regress_db_one;
create database regress_db_one;
create database regress_db_two template nosuch;
create database regress_db_two template postgres_nosuch owner nosuch;
create database regress_db_two owner regress_db_owner connection limit 3;
create database regress_db_bad connection limit -2;
create database regress_db_bad encoding 'nosuch';
create database regress_db_bad colour red;
create database regress_db_bad owner postgres owner postgres;
create database regress_db_bad is_template maybe;
create database regress_db_bad strategy nosuch;
begin;
create database regress_db_bad;
rollback;
begin;
drop database regress_db_one;
rollback;
select datname, datdba::regrole, datistemplate, datallowconn, datconnlimit, encoding, datcollate, datctype
  from pg_database where datname like 'regress_db%' or datname like 'template%' order by 1;

-- Each has its own tables.
\c regress_db_one
create table t (i int primary key, s text default 'one');
insert into t select i from generate_series(1, 1000) i;
create view v as select count(*), min(i), max(i) from t;
create sequence s;
select nextval('s'), nextval('s');
select current_database();
\c regress_db_two
select * from t;
create table t (i int, s text);
insert into t values (2, 'two');
select * from t;
select current_database();
select pg_database_size('regress_db_one') > pg_database_size('template0');
select pg_database_size('nosuch');

-- A copy has what its template had, and goes its own way.
create database regress_db_copy template regress_db_one;
\c regress_db_copy
select * from v;
select nextval('s');
insert into t values (1001), (5);
insert into t values (1001);
delete from t where i % 2 = 0;
update t set s = 'copied' where i < 4;
select * from t where i < 6 order by i;
select * from v;
\d t
drop table t cascade;
\c regress_db_one
select * from v;
select * from t where i < 4 order by i;
select nextval('s');

-- In use.
drop database regress_db_one;
alter database regress_db_one rename to regress_db_other;
alter database regress_db_one allow_connections false;
\c postgres
drop database nosuch;
drop database if exists nosuch;
drop database template1;
drop database postgres_nosuch (nosuch);
alter database regress_db_one rename to regress_db_two;
alter database regress_db_one rename to regress_db_uno;
alter database regress_db_uno owner to regress_db_owner;
alter database regress_db_uno connection limit 7;
alter database regress_db_uno is_template true;
alter database regress_db_uno with allow_connections = false connection limit = 8;
alter database regress_db_uno connection limit -3;
alter database nosuch connection limit 1;
select datname, datdba::regrole, datistemplate, datallowconn, datconnlimit
  from pg_database where datname like 'regress_db%' order by 1;
drop database regress_db_uno;
alter database regress_db_uno is_template false;

-- Who may.
set role regress_db_guest;
create database regress_db_bad;
alter database regress_db_uno connection limit 1;
drop database regress_db_uno;
alter database regress_db_uno set work_mem to '1MB';
alter role regress_db_owner set work_mem to '1MB';
alter role regress_db_guest set work_mem to '3MB';
alter role all set work_mem to '1MB';
set role regress_db_owner;
create database regress_db_bad template regress_db_copy;
create database regress_db_bad owner postgres;
drop database regress_db_uno;
reset role;

-- Settings for databases and roles.
alter database regress_db_two set work_mem to '2MB';
alter database regress_db_two set search_path to a, "B c", public;
alter database regress_db_two set datestyle to 'German';
alter database regress_db_two set work_mem to 'much';
alter database regress_db_two set nosuch to 1;
alter database regress_db_two set port to 1;
alter database regress_db_two set my.own to 'x=y';
alter database nosuch set work_mem to '1MB';
alter role regress_db_guest in database regress_db_two set datestyle to 'SQL, DMY';
alter role regress_db_guest in database nosuch set datestyle to 'SQL, DMY';
alter role nosuch set work_mem to '1MB';
select datname, rolname, setconfig from pg_db_role_setting s left join pg_database d on d.oid = setdatabase
  left join pg_roles r on r.oid = setrole order by 1, 2;
\drds
\c regress_db_two
show work_mem;
show search_path;
show datestyle;
show my.own;
select name, setting, source from pg_settings where name in ('work_mem', 'search_path', 'DateStyle') order by 1;
set work_mem to '5MB';
reset work_mem;
show work_mem;
\c regress_db_two regress_db_guest
show work_mem;
show datestyle;
\c regress_db_two postgres
alter database regress_db_two reset datestyle;
alter database regress_db_two reset nosuch;
alter role regress_db_guest reset all;
alter role regress_db_guest in database regress_db_two reset all;
select datname, rolname, setconfig from pg_db_role_setting s left join pg_database d on d.oid = setdatabase
  left join pg_roles r on r.oid = setrole order by 1, 2;
\c regress_db_two
show datestyle;
alter database regress_db_two reset all;
select count(*) from pg_db_role_setting;

-- Kept out.
revoke connect on database regress_db_two from public;
\c postgres
drop database regress_db_copy;
drop database regress_db_two with (force);
select datname from pg_database where datname like 'regress_db%' order by 1;
drop role regress_db_owner, regress_db_guest;
