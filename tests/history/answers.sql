-- What answers.yaml must bring about.

CREATE TABLE asks AS
SELECT
    *,
    is_text(p, '$.workgroup', ['1', '2', '4']) AS everyone,
    CASE event
        WHEN 'Take in charge ticket' THEN NOT is_text(p, '$.product', ['1'])
        WHEN 'Insert ticket' THEN true
        ELSE is_text(p, '$.seriousness', ['2'])
    END AS own,
    key_text(p, '$.ticket_id') AS key
FROM live WHERE event IN ('Take in charge ticket', 'Insert ticket', 'Wait');

CREATE TABLE asks_failed AS
SELECT * FROM asks WHERE everyone IS NULL OR (everyone AND own IS NULL);

CREATE TABLE asks_taken AS
SELECT * FROM asks WHERE everyone AND own AND arrival - t <= days(2) AND key IS NOT NULL;

-- The first wait, of whoever might enter. At the deadline itself the timer wins.
CREATE TABLE first_stage AS
SELECT n AS i, user_id, key, t + days(3) AS due, n + 1 AS clock_from, n + 1 AS user_from,
    arrival AS armed
FROM asks_taken;
CREATE TABLE first_fires AS FROM fires('first_stage');

CREATE TABLE first_answer AS
SELECT f.i, min(a.n) AS n
FROM first_fires f
JOIN live a ON a.user_id = f.user_id AND key_text(a.p, '$.ticket_id') = f.key
WHERE a.event IN ('Resolve ticket', 'Take in charge ticket')
  AND a.n >= f.user_from AND a.n < f.line AND a.t < f.due
GROUP BY f.i;

CREATE TABLE leveled AS
SELECT f.*, e.p,
    is_text(e.p, '$.service_level', ['2']) AS usual,
    number(e.p, '$.score') > 5 AS high
FROM first_fires f ANTI JOIN first_answer USING (i) JOIN live e ON e.n = f.i;

-- The second wait, and the one for ever. What the timer's step reaches sees the events from the line
-- on at which the timer fired.
CREATE TABLE second_stage AS
SELECT i, user_id, key, due + days(20) AS due, next_clock_from AS clock_from, line AS user_from,
    next_armed AS armed
FROM leveled WHERE usual OR high;
CREATE TABLE second_fires AS FROM fires('second_stage');

CREATE TABLE closings AS
SELECT f.i, a.*,
    json_type(a.p, '$.ticket_id') IS NULL AS no_key,
    key_text(a.p, '$.ticket_id') = f.key AS same_key,
    number(a.p, '$.score') >= 1.5 AS enough
FROM second_fires f JOIN live a ON a.user_id = f.user_id
WHERE a.event = 'Closed' AND a.n >= f.user_from AND a.n < f.line AND a.t < f.due;

CREATE TABLE second_answer AS
SELECT i, min(n) AS n FROM closings WHERE same_key AND enough GROUP BY i;

CREATE TABLE stuck AS
WITH reached AS (
    SELECT i, a.t AS reached, a.n AS line, a.n + 1 AS user_from, NULL AS due
    FROM first_answer f JOIN live a USING (n) WHERE a.event = 'Take in charge ticket'
    UNION ALL
    SELECT i, due, told_line, line, due FROM leveled
    WHERE NOT (coalesce(usual, false) OR coalesce(high, false))
    UNION ALL
    SELECT i, due, told_line, line, due FROM second_fires ANTI JOIN second_answer USING (i)
)
SELECT r.*, min(s.n) AS solved
FROM reached r JOIN live e ON e.n = r.i
LEFT JOIN live s ON s.user_id = e.user_id AND s.event = 'Create SW anomaly' AND s.n >= r.user_from
GROUP BY ALL;

-- Who enters: each key again from the line on at which its instance ended.
CREATE TABLE asks_chain AS
WITH ends AS (
    SELECT c.n, c.user_id, c.key, coalesce(
        CASE WHEN a.event = 'Resolve ticket' THEN a.n END,
        s.n,
        x.solved,
        never()) AS ended
    FROM asks_taken c
    LEFT JOIN first_answer f ON f.i = c.n LEFT JOIN live a ON a.n = f.n
    LEFT JOIN second_answer s ON s.i = c.n
    LEFT JOIN stuck x ON x.i = c.n
)
SELECT w.n, min(k.n) AS next_n
FROM ends w JOIN asks_taken k USING (user_id, key)
WHERE k.n > w.n AND k.n >= w.ended
GROUP BY w.n;

CREATE TABLE asks_entered AS
WITH RECURSIVE follow(n) AS (
    SELECT min(n) FROM asks_taken GROUP BY user_id, key
    UNION ALL
    SELECT c.next_n FROM follow f JOIN asks_chain c ON c.n = f.n
)
SELECT a.* FROM asks_taken a JOIN follow USING (n);

INSERT INTO expected
SELECT 'answers', user_id, NULL, NULL, 'expression.failed', NULL, t, NULL, n, NULL, entries(), 0
FROM first_of_minute('asks_failed')
UNION ALL
SELECT 'answers', user_id, NULL, NULL, 'journey.rejected', NULL, t,
    CASE WHEN arrival - t > days(2) THEN json_object('reason', 'too_late', 'late_ms', arrival - t)
         ELSE json_object('reason', 'no_key') END,
    n, NULL, entries(), 0
FROM asks WHERE everyone AND own AND (arrival - t > days(2) OR key IS NULL)
UNION ALL
SELECT 'answers', user_id, NULL, key, 'journey.rejected', NULL, t,
    json_object('reason', 'already_in'), n, NULL, entries(), 0
FROM asks_taken ANTI JOIN asks_entered USING (n);

CREATE TABLE answers_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO answers_told
SELECT n, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), n, NULL, 0
FROM asks_entered
UNION ALL
SELECT n, 'node.reached', 'first', t, NULL, n, NULL, 1 FROM asks_entered
UNION ALL
SELECT n, 'wait.started', 'first', t, json_object('due', iso(t + days(3))), n, NULL, 2
FROM asks_entered;

INSERT INTO answers_told
WITH answered AS (
    SELECT f.i, a.*, same(a.p, e.p, '$.agent') AS same_agent
    FROM first_answer f JOIN asks_entered e ON e.n = f.i JOIN live a ON a.n = f.n
),
ways AS (
    SELECT *, CASE WHEN event = 'Take in charge ticket' THEN 'stuck'
                   WHEN same_agent THEN 'same' ELSE 'other' END AS way
    FROM answered
)
SELECT i, 'expression.failed', 'first', t, NULL, n, NULL, 3 FROM ways
WHERE event = 'Resolve ticket' AND same_agent IS NULL
UNION ALL
SELECT i, 'wait.matched', 'first', t, json_object('event', event, 'message_id', id), n, NULL, 4
FROM ways
UNION ALL
SELECT i, 'expression.failed', 'first', t, NULL, n, NULL, 5 FROM ways
WHERE way = 'other' AND json_type(p, '$.agent') IS NULL
UNION ALL
SELECT i, 'node.reached', way, t, NULL, n, NULL, 6 FROM ways WHERE way <> 'stuck'
UNION ALL
SELECT i, 'journey.exited', way, t, json_object('reason', way), n, NULL, 7
FROM ways WHERE way <> 'stuck';

INSERT INTO answers_told
WITH ways AS (
    SELECT l.*, CASE WHEN usual THEN '0' WHEN high THEN '1' ELSE 'otherwise' END AS branch
    FROM leveled l JOIN asks_entered e ON e.n = l.i
)
SELECT i, 'wait.timed_out', 'first', due, NULL, told_line, due, 3 FROM ways
UNION ALL
SELECT i, 'node.reached', 'level', due, NULL, told_line, due, 4 FROM ways
UNION ALL
SELECT i, 'expression.failed', 'level', due, NULL, told_line, due, 5 FROM ways WHERE usual IS NULL
UNION ALL
SELECT i, 'expression.failed', 'level', due, NULL, told_line, due, 6 FROM ways
WHERE NOT coalesce(usual, false) AND high IS NULL
UNION ALL
SELECT i, 'criteria.matched', 'level', due,
    CASE branch WHEN 'otherwise' THEN json_object('branch', branch, 'next', 'stuck')
                ELSE json_object('branch', branch::INT, 'next', 'second') END,
    told_line, due, 7
FROM ways
UNION ALL
SELECT i, 'node.reached', 'second', due, NULL, told_line, due, 8 FROM ways WHERE branch <> 'otherwise'
UNION ALL
SELECT i, 'wait.started', 'second', due, json_object('due', iso(due + days(20))), told_line, due, 9
FROM ways WHERE branch <> 'otherwise';

-- Every closing of the user on which the match, or with the right key the condition, fails is told.
INSERT INTO answers_told
SELECT c.i, 'expression.failed', 'second', c.t, NULL, c.n, NULL, 10
FROM closings c JOIN asks_entered e ON e.n = c.i LEFT JOIN second_answer s ON s.i = c.i
WHERE (c.no_key OR (c.same_key AND c.enough IS NULL)) AND c.n < coalesce(s.n, never());

INSERT INTO answers_told
WITH answered AS (
    SELECT s.i, a.*, e.p AS entry_p, e.key, e.t AS entered_at,
        json_type(e.p, '$.score') IS NOT NULL AS told
    FROM second_answer s JOIN asks_entered e ON e.n = s.i JOIN live a ON a.n = s.n
)
SELECT i, 'wait.matched', 'second', t, json_object('event', event, 'message_id', id), n, NULL, 11
FROM answered
UNION ALL
SELECT i, 'node.reached', 'tell', t, NULL, n, NULL, 12 FROM answered
UNION ALL
SELECT i, 'expression.failed', 'tell', t, NULL, n, NULL, 13 FROM answered WHERE NOT told
UNION ALL
SELECT i, 'action.skipped', 'tell', t,
    json_object('destination', 'answers', 'reason', 'payload_failed'), n, NULL, 14
FROM answered WHERE NOT told
UNION ALL
SELECT i, 'action.requested', 'tell', t,
    json_object('destination', 'answers', 'action', 'tell', 'payload', json_object(
        'ticket', key,
        'level', CASE WHEN is_text(entry_p, '$.service_level', ['2']) THEN 'usual'
            ELSE 'score ' || regexp_replace(entry_p ->> '$.score', '\.0$', '') END,
        'score', entry_p -> '$.score',
        'waited', [iso(entered_at), id])),
    n, NULL, 14
FROM answered WHERE told
UNION ALL
SELECT i, 'node.reached', CASE WHEN told THEN 'told' ELSE 'untold' END, t, NULL, n, NULL, 15
FROM answered
UNION ALL
SELECT i, 'journey.exited', CASE WHEN told THEN 'told' ELSE 'untold' END, t,
    json_object('reason', CASE WHEN told THEN 'told' ELSE 'untold' END), n, NULL, 16
FROM answered;

INSERT INTO answers_told
SELECT f.i, 'wait.timed_out', 'second', f.due, NULL, f.told_line, f.due, 11
FROM second_fires f JOIN asks_entered e ON e.n = f.i ANTI JOIN second_answer s ON s.i = f.i;

INSERT INTO answers_told
WITH reached AS (
    SELECT s.* FROM stuck s JOIN asks_entered e ON e.n = s.i
),
solved AS (
    SELECT s.i, a.* FROM reached s JOIN live a ON a.n = s.solved
)
SELECT i, 'node.reached', 'stuck', reached, NULL, line, due, 20 FROM reached
UNION ALL
SELECT i, 'wait.started', 'stuck', reached, json_object('due', NULL), line, due, 21 FROM reached
UNION ALL
SELECT i, 'wait.matched', 'stuck', t, json_object('event', event, 'message_id', id), n, NULL, 22
FROM solved
UNION ALL
SELECT i, 'node.reached', 'solved', t, NULL, n, NULL, 23 FROM solved
UNION ALL
SELECT i, 'journey.exited', 'solved', t, json_object('reason', 'solved'), n, NULL, 24 FROM solved;

INSERT INTO expected
SELECT 'answers', e.user_id, e.id, e.key, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() WHEN w.step <= 2 THEN entries() ELSE waits() END, w.step
FROM answers_told w JOIN asks_entered e ON e.n = w.i;
