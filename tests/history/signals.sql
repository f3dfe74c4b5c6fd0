-- What signals.yaml must bring about.

-- How many events of a name a user had in a window up to now, as known just before a line, in
-- whatever order they came.
CREATE MACRO counts(points, name, span) AS TABLE
WITH known AS (
    SELECT p.i, p.now, k.n, k.t
    FROM query_table(points) p JOIN events k ON k.user_id = p.user_id AND k.n < p.before
    WHERE k.event = name
)
SELECT p.i, count(k.n) AS times
FROM query_table(points) p
LEFT JOIN known k ON k.i = p.i AND k.t > k.now - span AND k.t <= k.now
GROUP BY p.i;

CREATE TABLE waits AS SELECT n AS i, * FROM live WHERE event = 'Wait';
CREATE TABLE at_wait AS SELECT i, user_id, t AS now, n + 1 AS before FROM waits;
CREATE TABLE wait_counts AS FROM counts('at_wait', 'Wait', days(10));
CREATE TABLE wait_closings AS FROM counts('at_wait', 'Closed', days(30));

CREATE TABLE alarming AS
SELECT w.*, c.times AS waits, d.times AS closed, json_type(p, '$.ticket_id') IS NULL AS failed
FROM waits w JOIN wait_counts c USING (i) JOIN wait_closings d USING (i)
WHERE c.times >= 2;

CREATE TABLE cool_stage AS
SELECT i, user_id, t + days(2) AS due, n + 1 AS clock_from, n + 1 AS user_from, arrival AS armed
FROM alarming WHERE NOT failed;
CREATE TABLE cool_fires AS FROM fires('cool_stage');

CREATE TABLE at_cool AS SELECT i, user_id, due AS now, line AS before FROM cool_fires;
CREATE TABLE cool_counts AS FROM counts('at_cool', 'Wait', days(1));

CREATE TABLE alarmed AS
WITH RECURSIVE chain AS (
    SELECT a.n, min(k.n) AS next_n
    FROM alarming a LEFT JOIN cool_fires f USING (i) JOIN alarming k ON k.user_id = a.user_id
    WHERE k.n > a.n AND k.n >= coalesce(f.line, a.n)
    GROUP BY a.n
),
follow(n) AS (
    SELECT min(n) FROM alarming GROUP BY user_id
    UNION ALL
    SELECT c.next_n FROM follow f JOIN chain c ON c.n = f.n
)
SELECT a.* FROM alarming a JOIN follow USING (n);

CREATE TABLE cooled AS
SELECT f.*, a.id, a.p, c.times = 0 AS quiet
FROM cool_fires f JOIN alarmed a USING (i) JOIN cool_counts c USING (i);

CREATE TABLE alarm_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO alarm_told
SELECT i, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), n, NULL, 0
FROM alarmed
UNION ALL
SELECT i, 'node.reached', 'call', t, NULL, n, NULL, 1 FROM alarmed
UNION ALL
SELECT i, 'event.emitted', 'call', t,
    json_object('event', 'Alarm', 'message_id', 'call of ' || id), n, NULL, 2
FROM alarmed WHERE NOT failed
UNION ALL
SELECT i, 'node.reached', 'cool', t, NULL, n, NULL, 3 FROM alarmed WHERE NOT failed
UNION ALL
SELECT i, 'wait.started', 'cool', t, json_object('due', iso(t + days(2))), n, NULL, 4
FROM alarmed WHERE NOT failed
UNION ALL
SELECT i, unnest(['expression.failed', 'node.reached', 'journey.exited']),
    unnest(['call', 'over', 'over']), t, unnest([NULL, NULL, json_object('reason', 'over')]), n, NULL,
    unnest([2, 3, 4])
FROM alarmed WHERE failed
UNION ALL
SELECT i, 'node.reached', 'quiet', due, NULL, told_line, due, 5 FROM cooled
UNION ALL
SELECT i, 'criteria.matched', 'quiet', due,
    CASE WHEN quiet THEN json_object('branch', 0, 'next', 'over')
         ELSE json_object('branch', 'otherwise', 'next', 'again') END,
    told_line, due, 6
FROM cooled
UNION ALL
SELECT i, 'node.reached', 'again', due, NULL, told_line, due, 7 FROM cooled WHERE NOT quiet
UNION ALL
SELECT i, 'event.emitted', 'again', due,
    json_object('event', 'Alarm again', 'message_id', 'again of ' || id), told_line, due, 8
FROM cooled WHERE NOT quiet
UNION ALL
SELECT i, 'node.reached', 'over', due, NULL, told_line, due, 9 FROM cooled
UNION ALL
SELECT i, 'journey.exited', 'over', due, json_object('reason', 'over'), told_line, due, 10 FROM cooled;

INSERT INTO expected
SELECT 'alarm', e.user_id, e.id, NULL, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() ELSE entries() END, w.step
FROM alarm_told w JOIN alarmed e USING (i)
UNION ALL
SELECT 'alarm', user_id, NULL, NULL, 'journey.rejected', NULL, t,
    json_object('reason', 'already_in'), n, NULL, entries(), 0
FROM alarming ANTI JOIN alarmed USING (n);

-- The events emitted: in the step of an event, or of a timer; what a timer's step starts sees the
-- events from the line on at which the timer fired.
CREATE TABLE alarms AS
WITH emitted AS (
    SELECT user_id, 'Alarm' AS event, 'call of ' || id AS id, t, p, n::DOUBLE AS told_line,
        NULL AS timer, n + 1 AS clock_from, n + 1 AS user_from, arrival AS armed,
        json_object('ticket', p -> '$.ticket_id', 'waits', waits, 'closed', closed) AS facts
    FROM alarmed WHERE NOT failed AND waits < 4
    UNION ALL
    SELECT user_id, 'Alarm again', 'again of ' || id, due, p, told_line, due, next_clock_from, line,
        next_armed, json_object('ticket', p -> '$.ticket_id')
    FROM cooled WHERE NOT quiet
)
SELECT *, row_number() OVER (ORDER BY told_line, timer) AS i, key_text(p, '$.ticket_id') AS key
FROM emitted;

CREATE TABLE calm_stage AS
SELECT i, user_id, key, t + days(15) AS due, clock_from, user_from, armed
FROM alarms WHERE key IS NOT NULL;
CREATE TABLE calm_fires AS FROM fires('calm_stage');

CREATE TABLE heard AS
SELECT f.i, a.n, a.t, json_type(a.p, '$.ticket_id') IS NULL AS failed,
    key_text(a.p, '$.ticket_id') = f.key AS calms
FROM calm_fires f JOIN live a ON a.user_id = f.user_id
WHERE a.event = 'Closed' AND a.n >= f.user_from AND a.n < f.line AND a.t < f.due;

CREATE TABLE calmed AS SELECT i, min(n) AS n FROM heard WHERE calms GROUP BY i;

CREATE TABLE watched AS
WITH RECURSIVE ends AS (
    SELECT f.i, a.user_id, a.key, coalesce(c.n, f.told_line) AS line,
        CASE WHEN c.n IS NULL THEN f.due END AS timer
    FROM calm_fires f JOIN alarms a USING (i) LEFT JOIN calmed c USING (i)
),
chain AS (
    SELECT e.i, min(k.i) AS next_i
    FROM ends e JOIN alarms k USING (user_id, key)
    WHERE k.i > e.i AND (k.told_line > e.line OR (k.told_line = e.line
        AND (k.timer IS NULL OR k.timer > e.timer)))
    GROUP BY e.i
),
follow(i) AS (
    SELECT min(i) FROM alarms WHERE key IS NOT NULL GROUP BY user_id, key
    UNION ALL
    SELECT c.next_i FROM follow f JOIN chain c ON c.i = f.i
)
SELECT a.* FROM alarms a JOIN follow USING (i);

CREATE TABLE watch_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO watch_told
SELECT i, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), told_line, timer, 0
FROM watched
UNION ALL
SELECT i, 'node.reached', 'report', t, NULL, told_line, timer, 1 FROM watched
UNION ALL
SELECT i, 'action.requested', 'report', t,
    json_object('destination', 'watchers', 'payload',
        json_object('why', event, 'facts', facts, 'at', iso(t), 'user', user_id)),
    told_line, timer, 2
FROM watched
UNION ALL
SELECT i, 'node.reached', 'calm', t, NULL, told_line, timer, 3 FROM watched
UNION ALL
SELECT i, 'wait.started', 'calm', t, json_object('due', iso(t + days(15))), told_line, timer, 4
FROM watched
UNION ALL
SELECT h.i, 'expression.failed', 'calm', h.t, NULL, h.n, NULL, 5
FROM heard h LEFT JOIN calmed c USING (i) WHERE h.failed AND h.n < coalesce(c.n, never())
UNION ALL
SELECT c.i, unnest(['wait.matched', 'node.reached', 'journey.exited']),
    unnest(['calm', 'calmed', 'calmed']), a.t,
    unnest([json_object('event', a.event, 'message_id', a.id), NULL, json_object('reason', 'calmed')]),
    a.n, NULL, unnest([6, 7, 8])
FROM calmed c JOIN live a USING (n)
UNION ALL
SELECT i, unnest(['wait.timed_out', 'node.reached', 'journey.exited']),
    unnest(['calm', 'unheard', 'unheard']), due,
    unnest([NULL, NULL, json_object('reason', 'unheard')]), told_line, due, unnest([6, 7, 8])
FROM calm_fires ANTI JOIN calmed USING (i);

INSERT INTO expected
SELECT 'watch', e.user_id, e.id, e.key, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.step <= 4 THEN emitted() WHEN w.due IS NOT NULL THEN timer() ELSE waits() END, w.step
FROM watch_told w JOIN watched e USING (i)
UNION ALL
SELECT 'watch', user_id, NULL, key, 'journey.rejected', NULL, t,
    json_object('reason', CASE WHEN key IS NULL THEN 'no_key' ELSE 'already_in' END),
    told_line, timer, emitted(), 0
FROM alarms ANTI JOIN watched USING (i);
