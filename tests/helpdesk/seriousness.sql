-- What tests/helpdesk/seriousness.yaml must bring about, computed from the events alone.
-- Given: table events (n: line number, t: ms, id, event, user_id, ticket, product, seriousness,
-- workgroup), in order of time.

CREATE MACRO iso(ms) AS strftime(make_timestamp(ms * 1000), '%Y-%m-%dT%H:%M:%S.%gZ');
CREATE MACRO days(d) AS d * 86400000::BIGINT;

CREATE TABLE candidates AS
SELECT *, t + days(2) AS rested,
    CASE
        WHEN seriousness = '4' THEN '0'
        WHEN product IN ('2', '3') THEN '1'
        ELSE 'otherwise'
    END AS branch
FROM events
WHERE event = 'Assign seriousness' AND seriousness <> '1' AND workgroup = '1';

-- How it would go with every one of them. What comes at the end of the rest itself, or later, is
-- awaited; what comes at the end of the wait itself is too late.
CREATE TABLE ways AS
WITH answered AS (
    SELECT c.n, min_by(a, a.n) AS answer
    FROM candidates c JOIN events a USING (user_id, ticket)
    WHERE c.branch = '1' AND a.t >= c.rested AND a.t < c.rested + days(20)
      AND (a.event = 'Closed' OR (a.event = 'Require upgrade' AND a.t - c.t > days(5)))
    GROUP BY c.n
)
SELECT c.*, answer,
    CASE
        WHEN branch <> '1' THEN rested
        WHEN answer IS NULL THEN rested + days(20)
        ELSE answer.t
    END AS ended,
    CASE
        WHEN branch = '0' OR answer.event = 'Closed' THEN 'asked'
        WHEN branch = '1' AND answer IS NULL THEN 'open'
        ELSE 'over'
    END AS last_node
FROM candidates c LEFT JOIN answered USING (n);

-- One live instance for each customer; the next one a week after the end of the last one.
CREATE TABLE entered AS
WITH RECURSIVE follow(user_id, n) AS (
    SELECT user_id, min(n) FROM ways GROUP BY user_id
    UNION ALL
    SELECT f.user_id, (
        SELECT min(c.n) FROM candidates c
        WHERE c.user_id = f.user_id AND c.n > f.n AND c.t >= w.ended + days(7)
    )
    FROM follow f JOIN ways w ON w.n = f.n
)
SELECT w.* FROM ways w JOIN follow f ON f.n = w.n;

CREATE TABLE expected AS
SELECT user_id, id AS entry, 'journey.entered' AS type, NULL AS node, iso(t) AS told_at, NULL AS what
FROM entered
UNION ALL
SELECT c.user_id, NULL, 'journey.rejected', NULL, iso(c.t),
    CASE
        -- An event that ends the instance does so before it could enter again.
        WHEN c.t < e.ended AND (e.answer IS NULL OR c.n < e.answer.n) THEN 'already_in'
        ELSE 'min_gap'
    END
FROM (SELECT * FROM candidates ANTI JOIN entered USING (n)) c
ASOF JOIN entered e ON c.user_id = e.user_id AND c.n >= e.n
UNION ALL
SELECT user_id, id, 'wait.started', 'rest', iso(t), iso(rested) FROM entered
UNION ALL
SELECT user_id, id, 'criteria.matched', 'kind', iso(rested), branch FROM entered
UNION ALL
SELECT user_id, id, 'wait.started', 'ended', iso(rested), iso(rested + days(20))
FROM entered WHERE branch = '1'
UNION ALL
SELECT user_id, id, 'wait.matched', 'ended', iso(answer.t), answer.id
FROM entered WHERE answer IS NOT NULL
UNION ALL
SELECT user_id, id, 'wait.timed_out', 'ended', iso(ended), NULL FROM entered WHERE last_node = 'open'
UNION ALL
SELECT user_id, id, 'action.requested', 'ask', iso(ended),
    json_object(
        'since', iso(t),
        'ticket', ticket,
        'tone', CASE branch WHEN '0' THEN 'grave' ELSE 'product ' || product END
    )::TEXT
FROM entered WHERE last_node = 'asked'
UNION ALL
SELECT user_id, id, 'journey.exited', last_node, iso(ended),
    CASE last_node WHEN 'open' THEN 'still_open' ELSE last_node END
FROM entered;
