-- What standing.yaml must bring about.

-- The traits of events, and which of them are another value than before.
CREATE TABLE given AS
SELECT n, user_id, t, name, nth, traits -> ('$.' || name) AS value
FROM (
    SELECT n, user_id, t, traits, unnest(json_keys(traits)) AS name,
        unnest(range(len(json_keys(traits)))) AS nth
    FROM events WHERE traits IS NOT NULL
);

INSERT INTO expected
WITH before AS (
    SELECT *, coalesce(lag(value) OVER (PARTITION BY user_id, name ORDER BY n), 'null') AS old
    FROM given
)
SELECT NULL, user_id, NULL, NULL, 'profile.changed', NULL, t,
    json_object('traits', list(name ORDER BY nth)), n, NULL, profile(), 0
FROM before WHERE value::TEXT <> old::TEXT GROUP BY user_id, t, n;

CREATE TABLE tiers AS SELECT user_id, n, nullif(value::TEXT, 'null') AS tier FROM given WHERE name = 'tier';
CREATE TABLE own_zones AS
SELECT user_id, n, nullif(value::TEXT, 'null') AS zone FROM given WHERE name = 'timezone';

-- Who enters: once each, the first time that they are gold.
CREATE TABLE resolved AS
SELECT e.*, t.tier = '"gold"' AS wanted
FROM live e ASOF LEFT JOIN tiers t ON t.user_id = e.user_id AND e.n >= t.n
WHERE e.event = 'Resolve ticket';

CREATE TABLE resolved_failed AS FROM resolved WHERE wanted IS NULL;

CREATE TABLE stood AS
WITH weights(salt, variant, weight) AS (
    VALUES ('pepper', 'a', 2.0), ('pepper', 'b', 1.5), ('standing/half', 'c', 1.0),
        ('standing/half', 'd', 3.0)
),
chosen AS (
    SELECT user_id, salt, max_by(variant, -weight / ln(u)) AS variant
    FROM unit_hashes JOIN weights USING (salt, variant) GROUP BY user_id, salt
),
first AS (SELECT min(n) AS n FROM resolved WHERE wanted GROUP BY user_id)
SELECT e.*, s.variant AS split, h.variant AS half
FROM first JOIN live e USING (n)
JOIN chosen s ON s.user_id = e.user_id AND s.salt = 'pepper'
JOIN chosen h ON h.user_id = e.user_id AND h.salt = 'standing/half';

CREATE TABLE rest_stage AS
SELECT n AS i, user_id, t + days(20) AS due, n + 1 AS clock_from, n + 1 AS user_from,
    arrival AS armed
FROM stood;
CREATE TABLE rest_fires AS FROM fires('rest_stage');

-- echo: writes a trait that the payload of standing shows, once it is there.
CREATE TABLE echoes AS
SELECT e.*, s.split = 'a' AS wanted, row_number() OVER (PARTITION BY e.user_id, s.split ORDER BY e.n) AS nth
FROM live e LEFT JOIN stood s ON s.user_id = e.user_id AND s.n < e.n
WHERE e.event = 'Closed';
CREATE TABLE echoes_failed AS FROM echoes WHERE wanted IS NULL;

CREATE TABLE again AS
SELECT f.*, s.split, s.half, t.tier, z.zone, x.id AS echoed, s.t AS since,
    t.tier = '"gold"' AS gold,
    t.tier = '"silver"' AND s.split = 'a' AS silver
FROM rest_fires f JOIN stood s ON s.n = f.i
ASOF LEFT JOIN tiers t ON t.user_id = f.user_id AND f.line > t.n
ASOF LEFT JOIN own_zones z ON z.user_id = f.user_id AND f.line > z.n
LEFT JOIN echoes x ON x.user_id = f.user_id AND x.wanted AND x.nth = 1 AND x.n < f.line;

CREATE TABLE standing_told (
    i BIGINT, type TEXT, node TEXT, told_at BIGINT, detail JSON, line DOUBLE, due BIGINT, step INT);

INSERT INTO standing_told
SELECT n, 'journey.entered', NULL, t, json_object('event', event, 'message_id', id), n, NULL, 0
FROM stood
UNION ALL
SELECT n, 'node.reached', unnest(['split', 'mark', 'half', 'rest']), t, NULL, n, NULL,
    unnest([1, 3, 5, 7])
FROM stood
UNION ALL
SELECT n, 'experiment.assigned', unnest(['split', 'half']), t,
    unnest([json_object('variant', split), json_object('variant', half)]), n, NULL, unnest([2, 6])
FROM stood
UNION ALL
SELECT n, 'profile.changed', 'mark', t, json_object('traits', ['standing', 'since']), n, NULL, 4
FROM stood
UNION ALL
SELECT n, 'wait.started', 'rest', t, json_object('due', iso(t + days(20))), n, NULL, 8 FROM stood;

INSERT INTO standing_told
SELECT i, 'node.reached', 'again', due, NULL, told_line, due, 10 FROM again
UNION ALL
SELECT i, 'expression.failed', 'again', due, NULL, told_line, due, 11 FROM again WHERE gold IS NULL
UNION ALL
SELECT i, 'expression.failed', 'again', due, NULL, told_line, due, 12 FROM again
WHERE NOT coalesce(gold, false) AND silver IS NULL
UNION ALL
SELECT i, 'criteria.matched', 'again', due,
    CASE WHEN gold THEN json_object('branch', 0, 'next', 'thank')
         WHEN silver THEN json_object('branch', 1, 'next', 'thank')
         ELSE json_object('branch', 'otherwise', 'next', 'lost') END,
    told_line, due, 13
FROM again
UNION ALL
SELECT i, 'node.reached', 'thank', due, NULL, told_line, due, 14 FROM again WHERE gold OR silver
UNION ALL
SELECT i, 'action.requested', 'thank', due,
    json_object('destination', 'thanks', 'event_name', 'Thanks', 'payload', json_object(
        'profile', json_merge_patch('{}', json_object(
            'tier', tier::JSON, 'timezone', zone::JSON, 'standing', split, 'since', iso(since),
            'echoed', echoed)),
        'text', CASE WHEN gold THEN 'warm: gold' ELSE 'cool: silver' END || ' since ' || iso(since),
        'half', half,
        'variant', CASE WHEN half = 'd' THEN 'fourth ' || split WHEN split = 'a' THEN 'first' ELSE 'none' END,
        'user', user_id)),
    told_line, due, 15
FROM again WHERE gold OR silver
UNION ALL
SELECT i, 'node.reached', CASE WHEN gold OR silver THEN 'thanked' ELSE 'lost' END, due, NULL,
    told_line, due, 16
FROM again
UNION ALL
SELECT i, 'journey.exited', CASE WHEN gold OR silver THEN 'thanked' ELSE 'lost' END, due,
    json_object('reason', CASE WHEN gold OR silver THEN 'thanked' ELSE 'lost' END), told_line, due, 17
FROM again;

INSERT INTO expected
SELECT 'standing', e.user_id, e.id, NULL, w.type, w.node, w.told_at, w.detail, w.line, w.due,
    CASE WHEN w.due IS NOT NULL THEN timer() ELSE entries() END, w.step
FROM standing_told w JOIN stood e ON e.n = w.i
UNION ALL
SELECT 'standing', user_id, NULL, NULL, 'expression.failed', NULL, t, NULL, n, NULL, entries(), 0
FROM first_of_minute('resolved_failed')
UNION ALL
SELECT 'standing', user_id, NULL, NULL, 'journey.rejected', NULL, t, json_object('reason', 'once'),
    n, NULL, entries(), 0
FROM resolved ANTI JOIN stood USING (n) WHERE wanted
UNION ALL
SELECT 'echo', user_id, NULL, NULL, 'expression.failed', NULL, t, NULL, n, NULL, entries(), 0
FROM first_of_minute('echoes_failed')
UNION ALL
SELECT 'echo', user_id, NULL, NULL, 'journey.rejected', NULL, t, json_object('reason', 'once'),
    n, NULL, entries(), 0
FROM echoes WHERE wanted AND nth > 1
UNION ALL
SELECT 'echo', user_id, id, NULL,
    unnest(['journey.entered', 'node.reached', 'profile.changed', 'journey.exited']),
    unnest([NULL, 'note', 'note', 'note']), t,
    unnest([json_object('event', event, 'message_id', id), NULL, json_object('traits', ['echoed']),
            json_object('reason', 'end')]),
    n, NULL, entries(), unnest([0, 1, 2, 3])
FROM echoes WHERE wanted AND nth = 1;
