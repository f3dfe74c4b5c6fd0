-- What rounds.yaml must bring about.

CREATE TABLE laps AS
SELECT * FROM live
WHERE event = 'Closed' OR (event = 'Assign seriousness' AND NOT is_text(p, '$.seriousness', ['1']));

CREATE TABLE pause_stage AS
SELECT n AS i, user_id, t + hours(36) AS due, n + 1 AS clock_from, n + 1 AS user_from,
    arrival AS armed
FROM laps;
CREATE TABLE pause_fires AS FROM fires('pause_stage');

-- The zone is the trait's as it is at that moment, else the entry event's, else the journey's. A
-- timer fires before the traits of the event that fires it are laid over the profile.
CREATE TABLE zones AS SELECT DISTINCT zone FROM local_times;
CREATE TABLE zone_traits AS
SELECT user_id, n, traits ->> '$.timezone' AS zone FROM events
WHERE json_type(traits, '$.timezone') IS NOT NULL;

CREATE TABLE morning_stage AS
WITH zoned AS (
    SELECT f.*, coalesce(own.zone, of_entry.zone, 'Europe/Rome') AS zone
    FROM pause_fires f
    JOIN laps e ON e.n = f.i
    ASOF LEFT JOIN zone_traits t ON t.user_id = f.user_id AND f.line > t.n
    LEFT JOIN zones own ON own.zone = t.zone
    LEFT JOIN zones of_entry ON of_entry.zone = e.c ->> '$.timezone'
),
mornings AS (
    SELECT * FROM local_times WHERE clock = '02:30' AND weekday IN (7, 1, 2, 3)
)
SELECT z.i, z.user_id, m.instant AS due, z.next_clock_from AS clock_from, z.line AS user_from,
    z.next_armed AS armed, z.due AS reached, z.told_line AS reached_line
FROM zoned z ASOF JOIN mornings m ON m.zone = z.zone AND z.due < m.instant;
CREATE TABLE morning_fires AS FROM fires('morning_stage');

-- until - 1h; NULL: it fails, as a bare number does. What is over holds nobody up.
CREATE TABLE starting AS
SELECT f.*, CASE
        WHEN json_type(e.p, '$.starts') = 'VARCHAR' AND regexp_full_match(
            e.p ->> '$.starts', '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)')
            THEN ms(e.p ->> '$.starts')
    END - hours(1) AS until
FROM morning_fires f JOIN laps e ON e.n = f.i;

CREATE TABLE before_stage AS
SELECT i, user_id, until AS due, next_clock_from AS clock_from, line AS user_from,
    next_armed AS armed
FROM starting WHERE until > due;
CREATE TABLE before_fires AS FROM fires('before_stage');

CREATE TABLE evening_stage AS
WITH reached AS (
    SELECT i, user_id, due, line, told_line, next_clock_from, next_armed, due AS timer FROM before_fires
    UNION ALL
    SELECT i, user_id, due, line, told_line, next_clock_from, next_armed, due FROM starting
    WHERE until <= due
),
evenings AS (
    SELECT * FROM local_times WHERE clock = '23:45' AND zone = 'America/New_York'
)
SELECT r.i, r.user_id, m.instant AS due, r.next_clock_from AS clock_from, r.line AS user_from,
    r.next_armed AS armed, r.due AS reached, r.told_line AS reached_line, r.timer
FROM reached r ASOF JOIN evenings m ON r.due < m.instant;
CREATE TABLE evening_fires AS FROM fires('evening_stage');

CREATE TABLE lap_ends AS
SELECT i, line, due AS ended, told_line, 'done' AS node, 'done' AS reason FROM evening_fires
UNION ALL
SELECT i, line, due, told_line, 'no-time', 'no_time' FROM starting WHERE until IS NULL;

CREATE TABLE laps_entered AS
WITH RECURSIVE chain AS (
    SELECT e.i AS n, min(k.n) AS next_n
    FROM lap_ends e JOIN laps w ON w.n = e.i JOIN laps k ON k.user_id = w.user_id
    WHERE k.n > e.i AND k.n >= e.line AND k.t - e.ended >= hours(12)
    GROUP BY e.i
),
follow(n) AS (
    SELECT min(n) FROM laps GROUP BY user_id
    UNION ALL
    SELECT c.next_n FROM follow f JOIN chain c ON c.n = f.n
)
SELECT l.* FROM laps l JOIN follow USING (n);

CREATE TABLE rounds_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO rounds_told
SELECT n, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), n, NULL, 0
FROM laps_entered
UNION ALL
SELECT n, 'node.reached', 'pause', t, NULL, n, NULL, 1 FROM laps_entered
UNION ALL
SELECT i, 'wait.started', 'pause', due - hours(36), json_object('due', iso(due)), i, NULL, 2
FROM pause_stage
UNION ALL
SELECT i, 'node.reached', 'morning', reached, NULL, reached_line, reached, 3 FROM morning_stage
UNION ALL
SELECT i, 'wait.started', 'morning', reached, json_object('due', iso(due)), reached_line, reached, 4
FROM morning_stage
UNION ALL
SELECT i, 'node.reached', 'before', due, NULL, told_line, due, 5 FROM starting
UNION ALL
SELECT i, 'expression.failed', 'before', due, NULL, told_line, due, 6 FROM starting
WHERE until IS NULL
UNION ALL
SELECT i, 'wait.started', 'before', due, json_object('due', iso(until)), told_line, due, 6
FROM starting WHERE until > due
UNION ALL
SELECT i, 'node.reached', 'evening', reached, NULL, reached_line, timer, 7 FROM evening_stage
UNION ALL
SELECT i, 'wait.started', 'evening', reached, json_object('due', iso(due)), reached_line, timer, 8
FROM evening_stage
UNION ALL
SELECT i, 'node.reached', node, ended, NULL, told_line, ended, 9 FROM lap_ends
UNION ALL
SELECT i, 'journey.exited', node, ended, json_object('reason', reason), told_line, ended, 10
FROM lap_ends;

INSERT INTO expected
SELECT 'rounds', e.user_id, e.id, NULL, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() ELSE entries() END, w.step
FROM rounds_told w JOIN laps_entered e ON e.n = w.i
UNION ALL
SELECT 'rounds', k.user_id, NULL, NULL, 'journey.rejected', NULL, k.t,
    json_object('reason', CASE WHEN k.n < x.line THEN 'already_in' ELSE 'min_gap' END),
    k.n, NULL, entries(), 0
FROM (FROM laps ANTI JOIN laps_entered USING (n)) k
ASOF JOIN laps_entered e ON e.user_id = k.user_id AND k.n > e.n
JOIN lap_ends x ON x.i = e.n;
