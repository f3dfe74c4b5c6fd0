-- What pile.yaml must bring about.

CREATE TABLE piled AS
SELECT *, NOT is_text(p, '$.product', ['1']) AS wanted FROM live WHERE event = 'Assign seriousness';

CREATE TABLE piled_failed AS FROM piled WHERE wanted IS NULL;

CREATE TABLE hold_stage AS
SELECT n AS i, user_id, t + days(200) AS due, n + 1 AS clock_from, n + 1 AS user_from,
    arrival AS armed
FROM piled WHERE wanted;
CREATE TABLE hold_fires AS FROM fires('hold_stage');

-- Every event that the instance looks at, and what its conditions say: and `&&` is false when either
-- side is, whatever the other.
CREATE TABLE looked_at AS
WITH pairs AS (
    SELECT f.i, a.n, same(a.p, e.p, '$.service_type') AS alike,
        is_text(a.p, '$.seriousness', ['4']) AS grave,
        CASE a.event WHEN 'Closed' THEN a.t > e.t ELSE same(a.p, e.p, '$.agent') END AS fits
    FROM hold_fires f
    JOIN live e ON e.n = f.i
    JOIN live a ON a.user_id = f.user_id
    WHERE a.event IN ('Closed', 'Assign seriousness')
      AND a.n >= f.user_from AND a.n < f.line AND a.t < f.due
)
SELECT i, n, alike AND grave AND fits AS moves,
    alike IS NULL OR (alike AND (grave AND fits) IS NULL) AS failed
FROM pairs;

CREATE TABLE moved AS
SELECT i, min(n) AS n FROM looked_at WHERE moves GROUP BY i;

CREATE TABLE pile_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO pile_told
SELECT n, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), n, NULL, 0
FROM piled WHERE wanted
UNION ALL
SELECT n, 'node.reached', 'hold', t, NULL, n, NULL, 1 FROM piled WHERE wanted
UNION ALL
SELECT n, 'wait.started', 'hold', t, json_object('due', iso(t + days(200))), n, NULL, 2
FROM piled WHERE wanted
UNION ALL
SELECT l.i, 'expression.failed', 'hold', a.t, NULL, l.n, NULL, 3
FROM looked_at l JOIN live a USING (n) LEFT JOIN moved m USING (i)
WHERE failed AND l.n < coalesce(m.n, never());

INSERT INTO pile_told
WITH ways AS (SELECT m.i, a.* FROM moved m JOIN live a USING (n))
SELECT i, 'wait.matched', 'hold', t, json_object('event', event, 'message_id', id), n, NULL, 4
FROM ways
UNION ALL
SELECT i, 'node.reached', 'gone', t, NULL, n, NULL, 5 FROM ways
UNION ALL
SELECT i, 'journey.exited', 'gone', t, json_object('reason', 'gone'), n, NULL, 6 FROM ways;

INSERT INTO pile_told
WITH lost AS (FROM hold_fires ANTI JOIN moved USING (i))
SELECT i, 'wait.timed_out', 'hold', due, NULL, told_line, due, 4 FROM lost
UNION ALL
SELECT i, 'node.reached', 'lost', due, NULL, told_line, due, 5 FROM lost
UNION ALL
SELECT i, 'journey.exited', 'lost', due, json_object('reason', 'exit'), told_line, due, 6 FROM lost;

INSERT INTO expected
SELECT 'pile', e.user_id, e.id, NULL, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() WHEN w.step <= 2 THEN entries() ELSE waits() END, w.step
FROM pile_told w JOIN piled e ON e.n = w.i
UNION ALL
SELECT 'pile', user_id, NULL, NULL, 'expression.failed', NULL, t, NULL, n, NULL, entries(), 0
FROM first_of_minute('piled_failed');
