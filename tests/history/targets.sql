-- What targets.yaml must bring about.

CREATE TABLE taken AS
SELECT n AS i, *, key_text(p, '$.ticket_id') AS key FROM live WHERE event = 'Take in charge ticket';

-- Every event that could be a global exit of whoever might have entered, and whether it is one.
CREATE TABLE leaving AS
SELECT k.i, a.n, a.t, a.id, a.event,
    CASE a.event WHEN 'Require upgrade' THEN 'upgraded' WHEN 'Closed' THEN 'global_exit' ELSE 'anomaly'
        END AS reason,
    CASE a.event
        WHEN 'Require upgrade' THEN same(a.p, k.p, '$.product')
        WHEN 'Closed' THEN CASE
            WHEN json_type(a.p, '$.ticket_id') IS NULL THEN NULL  -- the match fails
            WHEN key_text(a.p, '$.ticket_id') = k.key THEN NOT is_text(a.p, '$.service_type', ['2'])
            ELSE false END
        ELSE true
    END AS leaves
FROM taken k JOIN live a ON a.user_id = k.user_id AND a.n > k.n
WHERE a.event IN ('Require upgrade', 'Closed', 'Create SW anomaly') AND k.key IS NOT NULL;

CREATE TABLE kept_stage AS
SELECT i, user_id, key, t + days(6) AS due, n + 1 AS clock_from, n + 1 AS user_from, arrival AS armed
FROM taken WHERE key IS NOT NULL;
CREATE TABLE kept_fires AS FROM fires('kept_stage');

CREATE TABLE left_early AS
SELECT f.i, min(x.n) AS n FROM kept_fires f JOIN leaving x USING (i)
WHERE x.leaves AND x.n < f.line GROUP BY f.i;

CREATE TABLE resolved_stage AS
SELECT i, user_id, key, due + days(30) AS due, next_clock_from AS clock_from, line AS user_from,
    next_armed AS armed, due AS reached, told_line AS reached_line
FROM kept_fires ANTI JOIN left_early USING (i);
CREATE TABLE resolved_fires AS FROM fires('resolved_stage');

CREATE TABLE left_late AS
SELECT f.i, min(x.n) AS n FROM resolved_fires f JOIN leaving x USING (i)
WHERE x.leaves AND x.n >= f.user_from AND x.n < f.line GROUP BY f.i;

CREATE TABLE resolving AS
SELECT f.i, min(a.n) AS n
FROM resolved_fires f JOIN live a ON a.user_id = f.user_id AND key_text(a.p, '$.ticket_id') = f.key
WHERE a.event = 'Resolve ticket' AND a.n >= f.user_from AND a.n < f.line AND a.t < f.due
GROUP BY f.i;

-- How each of them ends; lines of exits and of answers are never the same.
CREATE TABLE targets_end AS
SELECT k.i, k.user_id, k.key, k.line AS kept_line,
    CASE WHEN e.n IS NOT NULL THEN 'exit'
         WHEN l.n < coalesce(r.n, never()) THEN 'late exit'
         WHEN r.n IS NOT NULL THEN 'fine' ELSE 'open' END AS way,
    coalesce(e.n, least(l.n, r.n), f.line) AS line
FROM kept_fires k
LEFT JOIN left_early e USING (i) LEFT JOIN resolved_fires f USING (i)
LEFT JOIN left_late l USING (i) LEFT JOIN resolving r USING (i);

CREATE TABLE targeted AS
WITH RECURSIVE chain AS (
    SELECT e.i, min(k.i) AS next_i FROM targets_end e JOIN targets_end k USING (user_id, key)
    WHERE k.i > e.i AND k.i >= e.line
    GROUP BY e.i
),
follow(i) AS (
    SELECT min(i) FROM targets_end GROUP BY user_id, key
    UNION ALL
    SELECT c.next_i FROM follow f JOIN chain c ON c.i = f.i
)
SELECT t.*, e.way, e.line AS ended FROM taken t JOIN follow USING (i) JOIN targets_end e USING (i);

-- The goal: watched to the end of its window whatever becomes of the instance, and a day more by the
-- log's time for what comes late.
CREATE TABLE aimed AS
SELECT g.i, a.n, a.t, a.event, a.id, same(a.p, g.p, '$.agent') AS reached
FROM targeted g JOIN live a ON a.user_id = g.user_id AND key_text(a.p, '$.ticket_id') = g.key
WHERE a.event = 'Resolve ticket' AND a.n > g.i
  AND a.t < g.t + days(4) AND a.pt < g.t + days(5);
CREATE TABLE goals AS SELECT i, min(n) AS n FROM aimed WHERE reached GROUP BY i;

CREATE TABLE targets_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO targets_told
SELECT i, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), i, NULL, 0
FROM targeted
UNION ALL
SELECT i, 'node.reached', 'hold', t, NULL, i, NULL, 1 FROM targeted
UNION ALL
SELECT i, 'wait.started', 'hold', t, json_object('due', iso(t + days(6))), i, NULL, 2 FROM targeted
UNION ALL
SELECT i, 'node.reached', 'resolved', reached, NULL, reached_line, reached, 3 FROM resolved_stage
UNION ALL
SELECT i, 'wait.started', 'resolved', reached, json_object('due', iso(due)), reached_line, reached, 4
FROM resolved_stage
UNION ALL
SELECT i, unnest(['wait.timed_out', 'node.reached', 'journey.exited']),
    unnest(['resolved', 'open', 'open']), due, unnest([NULL, NULL, json_object('reason', 'open')]),
    told_line, due, unnest([5, 6, 7])
FROM resolved_fires JOIN targets_end e USING (i) WHERE e.way = 'open'
UNION ALL
SELECT x.i, 'expression.failed', CASE WHEN x.n < e.kept_line THEN 'hold' ELSE 'resolved' END, x.t,
    NULL, x.n, NULL, 10
FROM leaving x JOIN targets_end e USING (i) WHERE x.leaves IS NULL AND x.n < e.line
UNION ALL
SELECT x.i, 'journey.exited', CASE e.way WHEN 'exit' THEN 'hold' ELSE 'resolved' END, x.t,
    json_object('reason', x.reason, 'event', x.event, 'message_id', x.id), x.n, NULL, 11
FROM leaving x JOIN targets_end e USING (i) WHERE e.way IN ('exit', 'late exit') AND x.n = e.line
UNION ALL
SELECT a.i, 'expression.failed', NULL, a.t, NULL, a.n, NULL, 20
FROM aimed a LEFT JOIN goals g USING (i) WHERE a.reached IS NULL AND a.n < coalesce(g.n, never())
UNION ALL
SELECT a.i, 'goal.reached', NULL, a.t, json_object('event', a.event, 'message_id', a.id), a.n, NULL, 21
FROM aimed a JOIN goals g USING (i, n)
UNION ALL
SELECT e.i, unnest(['wait.matched', 'node.reached', 'journey.exited']),
    unnest(['resolved', 'fine', 'fine']), a.t,
    unnest([json_object('event', a.event, 'message_id', a.id), NULL, json_object('reason', 'fine')]),
    a.n, NULL, unnest([30, 31, 32])
FROM targets_end e JOIN live a ON a.n = e.line WHERE e.way = 'fine';

INSERT INTO expected
SELECT 'targets', e.user_id, e.id, e.key, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() WHEN w.step <= 2 THEN entries()
         WHEN w.step < 20 THEN exits() WHEN w.step < 30 THEN reached() ELSE waits() END,
    w.step
FROM targets_told w JOIN targeted e USING (i)
UNION ALL
SELECT 'targets', user_id, NULL, key, 'journey.rejected', NULL, t,
    json_object('reason', CASE WHEN key IS NULL THEN 'no_key' ELSE 'already_in' END), n, NULL,
    entries(), 0
FROM taken ANTI JOIN targeted USING (i);

-- sights: first the exit, then the goal, then the wait; each of another event.
CREATE TABLE seen AS
SELECT n AS i, *, key_text(p, '$.agent') AS key FROM live
WHERE event IN ('Insert ticket', 'Require upgrade');

CREATE TABLE sighted AS
SELECT s.i, a.n, a.t, a.event, a.id, a.arrival,
    CASE a.event
        WHEN 'Assign seriousness' THEN CASE
            WHEN json_type(a.p, '$.agent') IS NULL THEN NULL
            WHEN key_text(a.p, '$.agent') = s.key THEN is_text(a.p, '$.seriousness', ['4'])
            ELSE false END
        WHEN 'Closed' THEN is_text(a.p, '$.seriousness', ['4'])
        ELSE true
    END AS fits
FROM seen s JOIN live a ON a.user_id = s.user_id AND a.n > s.n
WHERE a.event IN ('Assign seriousness', 'Closed', 'Create SW anomaly') AND s.key IS NOT NULL;

CREATE TABLE look_stage AS
SELECT i, user_id, t + days(60) AS due, n + 1 AS clock_from, n + 1 AS user_from, arrival AS armed
FROM seen WHERE key IS NOT NULL;
CREATE TABLE look_fires AS FROM fires('look_stage');

CREATE TABLE looked AS
SELECT f.i, min(a.n) AS n FROM look_fires f JOIN sighted a USING (i)
WHERE a.fits AND a.n < f.line AND (a.event <> 'Create SW anomaly' OR a.t < f.due)
GROUP BY f.i;

CREATE TABLE stay_stage AS
SELECT l.i, s.user_id, a.t + days(20) AS due, a.n + 1 AS clock_from, a.n + 1 AS user_from,
    a.arrival AS armed, a.t AS reached, a.n::DOUBLE AS reached_line, NULL AS timer
FROM looked l JOIN sighted a USING (i, n) JOIN seen s USING (i) WHERE a.event = 'Create SW anomaly'
UNION ALL
SELECT i, user_id, due + days(20), next_clock_from, line, next_armed, due, told_line, due
FROM look_fires ANTI JOIN looked USING (i);
CREATE TABLE stay_fires AS FROM fires('stay_stage');

CREATE TABLE stayed AS
SELECT f.i, min(a.n) AS n FROM stay_fires f JOIN sighted a USING (i)
WHERE a.fits AND a.event <> 'Create SW anomaly' AND a.n >= f.user_from AND a.n < f.line
GROUP BY f.i;

CREATE TABLE sights_end AS
SELECT s.i, s.user_id, s.key, f.reached_line, coalesce(y.n, f.line, l.n) AS line,
    coalesce(y.n, CASE WHEN f.i IS NULL THEN l.n END) AS by_event
FROM seen s LEFT JOIN looked l USING (i) LEFT JOIN stay_fires f USING (i) LEFT JOIN stayed y USING (i)
WHERE s.key IS NOT NULL;

CREATE TABLE sights_entered AS
WITH RECURSIVE chain AS (
    SELECT e.i, min(k.i) AS next_i FROM sights_end e JOIN sights_end k USING (user_id, key)
    WHERE k.i > e.i AND k.i >= e.line
    GROUP BY e.i
),
follow(i) AS (
    SELECT min(i) FROM sights_end GROUP BY user_id, key
    UNION ALL
    SELECT c.next_i FROM follow f JOIN chain c ON c.i = f.i
)
SELECT s.* FROM seen s JOIN follow USING (i);

CREATE TABLE sights_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO sights_told
SELECT i, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), i, NULL, 0
FROM sights_entered
UNION ALL
SELECT i, 'node.reached', 'hold', t, NULL, i, NULL, 1 FROM sights_entered
UNION ALL
SELECT i, 'wait.started', 'hold', t, json_object('due', iso(t + days(60))), i, NULL, 2
FROM sights_entered
UNION ALL
SELECT i, 'wait.timed_out', 'hold', reached, NULL, reached_line, reached, 3
FROM stay_stage WHERE timer IS NOT NULL
UNION ALL
SELECT s.i, 'wait.matched', 'hold', a.t, json_object('event', a.event, 'message_id', a.id), a.n, NULL, 3
FROM stay_stage s JOIN live a ON a.n = s.reached_line WHERE s.timer IS NULL
UNION ALL
SELECT i, 'node.reached', 'rest', reached, NULL, reached_line, timer, 4 FROM stay_stage
UNION ALL
SELECT i, 'wait.started', 'rest', reached, json_object('due', iso(due)), reached_line, timer, 5
FROM stay_stage
UNION ALL
SELECT i, unnest(['node.reached', 'journey.exited']), 'out', due,
    unnest([NULL, json_object('reason', 'out')]), told_line, due, unnest([6, 7])
FROM stay_fires ANTI JOIN stayed USING (i)
UNION ALL
SELECT a.i, 'expression.failed', CASE WHEN a.event = 'Closed' THEN NULL
        WHEN a.n >= coalesce(e.reached_line, never()) THEN 'rest' ELSE 'hold' END,
    a.t, NULL, a.n, NULL, CASE a.event WHEN 'Closed' THEN 20 ELSE 10 END
FROM sighted a JOIN sights_end e USING (i) WHERE a.fits IS NULL AND a.n < e.line
UNION ALL
SELECT a.i, 'goal.reached', NULL, a.t, json_object('event', a.event, 'message_id', a.id), a.n, NULL, 21
FROM sighted a JOIN sights_end e ON e.i = a.i AND e.by_event = a.n WHERE a.event = 'Closed'
UNION ALL
SELECT a.i, 'journey.exited', CASE WHEN a.n >= coalesce(e.reached_line, never()) THEN 'rest'
        ELSE 'hold' END, a.t,
    json_object('reason', CASE a.event WHEN 'Closed' THEN 'goal' ELSE 'global_exit' END,
        'event', a.event, 'message_id', a.id),
    a.n, NULL, CASE a.event WHEN 'Closed' THEN 22 ELSE 11 END
FROM sighted a JOIN sights_end e ON e.i = a.i AND e.by_event = a.n;

INSERT INTO expected
SELECT 'sights', e.user_id, e.id, e.key, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() WHEN w.step <= 2 THEN entries()
         WHEN w.step < 10 THEN waits() WHEN w.step < 20 THEN exits() ELSE reached() END,
    w.step
FROM sights_told w JOIN sights_entered e USING (i)
UNION ALL
SELECT 'sights', user_id, NULL, key, 'journey.rejected', NULL, t,
    json_object('reason', CASE WHEN key IS NULL THEN 'no_key' ELSE 'already_in' END), n, NULL,
    entries(), 0
FROM seen ANTI JOIN sights_entered USING (i);
