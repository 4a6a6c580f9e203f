-- psql's backslash commands over tables, keys, indexes, views and sequences.
create table p (id int primary key, name varchar(10) not null default 'x', u text unique, check (id > 0));
create table c (a int references p on delete cascade, b numeric(8,2), primary key (a, b));
create index c_b on c (b desc) where b > 0;
create view v as select * from p;
create sequence s;
\d
\d p
\d+ c
\d v
\d s
\dt
\di
\dv
\ds
\df upper
