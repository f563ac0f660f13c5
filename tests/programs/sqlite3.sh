# sqlite3: arithmetic, text, indexes, window functions, common table expressions, JSON, transactions, full-text search.
sqlite3 -version | cut -d' ' -f1
sqlite3 <<'END'
.mode list
SELECT 1.0/3, 2/3, 7%3, 1e308*10, -1e308*10, 9223372036854775807+1, 1<<40, ~5, 5.0%3, round(2.5), round(-2.567,2), abs(-3), typeof(1+1.0);
SELECT sqrt(2), exp(1), ln(10), log10(1000), log2(8), pow(2,0.5), sin(1), cos(1), tan(1), asin(1), acos(0.5), atan(1), atan2(1,-1), sinh(1), cosh(1), tanh(1), pi(), degrees(1), radians(90), ceil(1.2), floor(-1.2), trunc(-1.7), mod(7,3.5);
SELECT printf('%d %5.2f %e %g %x %s %q %,d', 42, 3.14159, 12345.678, 1e-10, 255, 'a', 'it''s', 1234567);
SELECT upper('abc'), lower('ÄBC'), length('äöü'), substr('hello',2,3), instr('hello','ll'), replace('aXbX','X','-'), trim('  x '), hex('abc'), quote(x'00ff'), unicode('€'), char(8364), 'a'||'b' LIKE 'A_', 'abc' GLOB 'a*';
SELECT date(0,'unixepoch'), datetime(1700000000,'unixepoch'), julianday('2024-02-29'), strftime('%j %W %w %s','2024-12-31'), date('2024-01-31','+1 month','weekday 0');
CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b REAL, c TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
INSERT INTO t SELECT i, (i*7919)%10007, (i*1.37)/(i%13+1), 'name'||((i*31)%997) FROM n;
CREATE INDEX ta ON t(a); CREATE INDEX tc ON t(c,b);
SELECT count(*), sum(a), avg(b), min(b), max(c), total(a), count(DISTINCT c) FROM t;
SELECT c, count(*), sum(b) FROM t GROUP BY c HAVING sum(b)>500 ORDER BY 3 DESC, c LIMIT 10;
SELECT id,a,b FROM t WHERE a BETWEEN 100 AND 105 ORDER BY a, id;
SELECT x.id, y.id, x.a FROM t x JOIN t y ON x.a=y.a AND x.id<y.id WHERE x.a<20 ORDER BY 1,2 LIMIT 10;
SELECT id, row_number() OVER w, rank() OVER w, lag(b) OVER w, sum(b) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM t WHERE id<=12 WINDOW w AS (ORDER BY c,id) ORDER BY id;
EXPLAIN QUERY PLAN SELECT * FROM t WHERE a=5 ORDER BY b;
UPDATE t SET b=b*2 WHERE a%2=0; DELETE FROM t WHERE id%3=0; SELECT count(*), sum(b) FROM t;
BEGIN; DELETE FROM t; SELECT count(*) FROM t; ROLLBACK; SELECT count(*) FROM t;
WITH RECURSIVE fib(n,a,b) AS (SELECT 1,0,1 UNION ALL SELECT n+1,b,a+b FROM fib WHERE n<90) SELECT n,a FROM fib WHERE n%10=0;
WITH RECURSIVE xaxis(x) AS (VALUES(-2.0) UNION ALL SELECT x+0.05 FROM xaxis WHERE x<1.2), yaxis(y) AS (VALUES(-1.0) UNION ALL SELECT y+0.1 FROM yaxis WHERE y<1.0),
m(iter,cx,cy,x,y) AS (SELECT 0,x,y,0.0,0.0 FROM xaxis,yaxis UNION ALL SELECT iter+1,cx,cy,x*x-y*y+cx,2.0*x*y+cy FROM m WHERE (x*x+y*y)<4.0 AND iter<28),
m2(iter,cx,cy) AS (SELECT max(iter),cx,cy FROM m GROUP BY cx,cy), a(t) AS (SELECT group_concat(substr(' .+*#',1+min(iter/7,4),1),'') FROM m2 GROUP BY cy) SELECT group_concat(rtrim(t),x'0a') FROM a;
SELECT json('{"a":[1,2.5,null,"x"]}'), json_extract('{"a":[1,2.5]}','$.a[1]'), json_group_array(id) FROM (SELECT id FROM t LIMIT 5);
SELECT key, value, type FROM json_each('{"x":1,"y":[true,null],"z":"s"}');
CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f SELECT c||' '||(a%50)||' word'||(id%7) FROM t; SELECT count(*) FROM f WHERE f MATCH 'word3 AND 7'; SELECT x FROM f WHERE f MATCH 'name12*' ORDER BY rank, rowid LIMIT 5;
CREATE VIRTUAL TABLE r USING rtree(id,x0,x1,y0,y1); INSERT INTO r SELECT id,a,a+3,b,b+1 FROM t WHERE id<2000; SELECT count(*) FROM r WHERE x0>5000 AND y1<300;
CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET b=-1 WHERE id=new.id; END; INSERT INTO t VALUES(99999,1,2,'z'); SELECT * FROM t WHERE id=99999;
PRAGMA integrity_check;
END
echo "status $?"
sqlite3 file.db 'CREATE TABLE k(v); INSERT INTO k VALUES(1),(2.5),(NULL),(x'"'00ff'"'),('"'text'"'); SELECT v, typeof(v) FROM k ORDER BY v'
sqlite3 -csv -header file.db 'SELECT rowid, v FROM k'; sqlite3 -json file.db 'SELECT v FROM k WHERE typeof(v) != "blob"'; sqlite3 file.db .dump; sqlite3 -box file.db 'SELECT rowid r, typeof(v) FROM k'
sqlite3 file.db 'SELECT nothing FROM k' 2>&1; echo "status $?"
sqlite3 file.db 'VACUUM; PRAGMA journal_mode=WAL; INSERT INTO k SELECT v FROM k; SELECT count(*) FROM k; PRAGMA integrity_check'; sqlite3 file.db .sha3sum
