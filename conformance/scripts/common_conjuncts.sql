-- What all arms of an OR ask for joins the tables.
create table parts (id int primary key, brand text);
create table lines (part int, n int);
insert into parts select g, 'b' || g % 3 from generate_series(1, 30) g;
insert into lines select g % 30 + 1, g from generate_series(1, 300) g;
analyze parts;
analyze lines;
select count(*) from parts, lines
 where (id = part and brand = 'b1' and n < 100) or (id = part and brand = 'b2' and n > 200);
select count(*) from parts, lines
 where (id = part and brand = 'b1' and n < 100) or (id = part and brand = 'b2' and n > 200);
select count(*) from parts, lines where (id = part and brand = 'b1') or id = part;
explain (costs off) select count(*) from parts where (id = 3 and brand = 'b0') or (brand = 'b1' and id = 3);
select count(*) from parts left join lines on (id = part and n = 1) or (id = part and n = 2);
select brand, count(*) from parts group by brand having (brand = 'b1' and count(*) > 3) or (count(*) > 3 and brand = 'b2') order by brand;
