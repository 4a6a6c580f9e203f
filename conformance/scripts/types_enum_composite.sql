-- Enums.
create type mood as enum ('sad', 'ok', 'happy');
create type mood as enum ('x');
create type too as enum ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
create type none as enum ();
select 'sad'::mood, 'happy'::mood > 'ok', 'sad'::mood = 'sad';
select 'mad'::mood;
create table person (name text primary key, current mood default 'ok', past mood[]);
insert into person values ('Moe', 'happy', '{sad,ok}'), ('Larry', 'sad', null);
insert into person (name) values ('Curly');
insert into person values ('Shemp', 'angry');
select * from person order by current, name;
select * from person where current > 'sad' order by name;
select max(current), min(current), count(distinct current) from person;
select current, count(*) from person group by 1 order by 1;
select enum_first(null::mood), enum_last(null::mood), enum_range(null::mood), enum_range('ok'::mood, null);
select current::text || '!' from person order by name;
select 'ok'::text::mood;
create index on person (current);
select name from person where current = 'happy';
select past[1], array_length(past, 1) from person where name = 'Moe';
alter type mood add value 'joyful' after 'happy';
alter type mood add value 'meh' before 'ok';
alter type mood add value 'meh';
alter type mood add value if not exists 'meh';
alter type mood add value 'x' after 'nosuch';
alter type mood rename value 'sad' to 'blue';
alter type mood rename value 'nosuch' to 'x';
alter type mood rename value 'ok' to 'blue';
select enum_range(null::mood);
select name, current from person order by current desc, name;
insert into person values ('Joe', 'joyful');
select name, current from person order by current desc, name;
\dT
\dT+ mood
alter type person add value 'x';
alter type mood rename to feeling;
select 'blue'::feeling, null::feeling[];
\d person
create schema s2;
alter type feeling set schema s2;
select current from person order by 1 limit 1;
\d person
drop type s2.feeling;
drop type s2.feeling cascade;
\d person
drop type nosuch;
drop type if exists nosuch;

-- Composites.
create type complex as (r float8, i float8);
create type complex as (r float8);
create type bad as (a int, a text);
create type bad as (a nosuch);
create table points (id int, c complex, cs complex[]);
insert into points values (1, row(1.5, 2), array[row(1,2)::complex, row(3,4)::complex]);
insert into points values (2, '(3,)', '{"(5,6)"}');
insert into points values (3, row(1, 2, 3));
insert into points values (4, '(1,2,3)');
insert into points values (5, '1,2');
select * from points order by id;
select id, (c).r, (c).i, (cs[1]).i from points order by id;
select (c).* from points order by id;
select (c).nosuch from points;
select c.r from points;
select id from points where c = row(1.5, 2)::complex;
select id from points order by c desc;
select row(1, 2)::complex < row(1, 3)::complex, row(1, null)::complex is null, row(null, null)::complex is null;
create type nested as (name text, at complex, m int[]);
select row('a', row(1, 2), array[1,2])::nested;
select ((row('a', row(1, 2), array[1,2])::nested).at).i;
select '(a b,"(1,2)","{1,2}")'::nested;
\d complex
\dT
alter type complex rename attribute r to re;
select (c).re from points order by id;
drop type complex;
drop type nested;
drop type complex cascade;
select * from points order by id;
alter type points rename to pts;
drop type points;
alter type _text rename to x;
