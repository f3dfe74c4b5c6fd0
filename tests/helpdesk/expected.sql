-- What examples/helpdesk/journey.yaml must bring about, computed from the events alone.
-- Given: table events (n: line number, t: ms, id, event, user_id, ticket, agent, product, service_level)
-- and table unit_hashes (user_id, variant, u: a number in (0, 1)) of the experiment's salt.

CREATE MACRO iso(ms) AS strftime(make_timestamp(ms * 1000), '%Y-%m-%dT%H:%M:%S.%gZ');
CREATE MACRO days(d) AS d * 86400000::BIGINT;

CREATE TABLE takes AS
SELECT * FROM events WHERE event = 'Take in charge ticket';

CREATE TABLE answers AS
SELECT * FROM events WHERE event IN ('Resolve ticket', 'Closed');

-- How it would go with every ticket that is taken in charge, if no instance were live just then.
-- An answer at the deadline itself is too late for the first wait, and in time for the second.
CREATE TABLE ways AS
WITH first_wait AS (
    SELECT k.n, min_by(a, a.n) AS answer
    FROM takes k JOIN answers a USING (user_id, ticket)
    WHERE a.n > k.n AND a.t < k.t + days(7)
    GROUP BY k.n
),
second_wait AS (
    SELECT k.n, min_by(a, a.n) AS answer
    FROM takes k JOIN answers a USING (user_id, ticket)
    WHERE a.n > k.n AND a.t >= k.t + days(7) AND a.t < k.t + days(21)
    GROUP BY k.n
)
SELECT
    k.*,
    k.t + days(7) AS reminded_at,
    k.t + days(21) AS escalated_at,
    one.answer AS early,
    CASE WHEN one.answer IS NULL THEN two.answer END AS late
FROM takes k
LEFT JOIN first_wait one ON one.n = k.n
LEFT JOIN second_wait two ON two.n = k.n;

-- The next time that the ticket may enter: the first one taken in charge after the instance ended.
CREATE TABLE chain AS
SELECT w.n, min(k.n) AS next_n
FROM ways w JOIN takes k USING (user_id, ticket)
WHERE k.n > w.n
  AND CASE
        WHEN w.early IS NOT NULL THEN k.n > w.early.n
        WHEN w.late IS NOT NULL THEN k.n > w.late.n
        ELSE k.t >= w.escalated_at
      END
GROUP BY w.n;

CREATE TABLE entered AS
WITH RECURSIVE follow(n) AS (
    SELECT min(n) FROM takes GROUP BY user_id, ticket
    UNION ALL
    SELECT c.next_n FROM follow f JOIN chain c ON c.n = f.n
)
SELECT w.* FROM ways w JOIN follow USING (n);

-- The experiment, by its published rule: the largest -weight / ln(u).
CREATE TABLE variants AS
WITH scores AS (
    SELECT
        user_id,
        variant,
        -weight / ln(u) AS score
    FROM unit_hashes
    JOIN (VALUES ('friendly', 50.0), ('brief', 30.0), ('control', 20.0)) v (variant, weight)
        USING (variant)
)
SELECT user_id, max_by(variant, score) AS variant FROM scores GROUP BY user_id;

CREATE TABLE instances AS
SELECT
    e.*,
    v.variant,
    early IS NULL AS reminded,
    early IS NULL AND late IS NULL AS escalated,
    CASE
        WHEN service_level = '1' THEN 'manager'
        WHEN service_level = '3' AND variant <> 'control' THEN 'expert'
        WHEN product IN ('1', '2') THEN 'product'
    END AS level,
    CASE
        WHEN service_level = '1' THEN '0'
        WHEN service_level = '3' AND variant <> 'control' THEN '1'
        WHEN product IN ('1', '2') THEN '2'
        ELSE 'otherwise'
    END AS branch,
    CASE variant WHEN 'friendly' THEN 'remind-kindly' WHEN 'brief' THEN 'remind-briefly' END
        AS reminder
FROM entered e JOIN variants v USING (user_id);

-- `entry` is the messageId of the event that started the instance.
CREATE TABLE expected_outcomes (
    user_id TEXT, key TEXT, entry TEXT, type TEXT, node TEXT, told_at TEXT, what TEXT
);

INSERT INTO expected_outcomes
SELECT user_id, ticket, NULL, 'journey.rejected', NULL, iso(t), 'already_in'
FROM takes ANTI JOIN entered USING (n);

INSERT INTO expected_outcomes
SELECT user_id, ticket, id, 'journey.entered', NULL, iso(t), event FROM instances;

INSERT INTO expected_outcomes
SELECT user_id, ticket, id, 'wait.started', 'answered', iso(t), iso(reminded_at) FROM instances
UNION ALL
SELECT user_id, ticket, id, 'wait.matched', 'answered', iso(early.t), early.event || ' ' || early.id
FROM instances WHERE NOT reminded
UNION ALL
SELECT user_id, ticket, id, 'wait.timed_out', 'answered', iso(reminded_at), NULL
FROM instances WHERE reminded
UNION ALL
SELECT user_id, ticket, id, 'experiment.assigned', 'tone', iso(reminded_at), variant
FROM instances WHERE reminded
UNION ALL
SELECT user_id, ticket, id, 'action.requested', reminder, iso(reminded_at), 'reminders'
FROM instances WHERE reminded AND reminder IS NOT NULL
UNION ALL
SELECT user_id, ticket, id, 'wait.started', 'still-open', iso(reminded_at), iso(escalated_at)
FROM instances WHERE reminded
UNION ALL
SELECT user_id, ticket, id, 'wait.matched', 'still-open', iso(late.t), late.event || ' ' || late.id
FROM instances WHERE late IS NOT NULL
UNION ALL
SELECT user_id, ticket, id, 'wait.timed_out', 'still-open', iso(escalated_at), NULL
FROM instances WHERE escalated
UNION ALL
SELECT user_id, ticket, id, 'criteria.matched', 'escalation', iso(escalated_at), branch
FROM instances WHERE escalated
UNION ALL
SELECT user_id, ticket, id, 'action.requested',
       CASE level WHEN 'manager' THEN 'to-manager' ELSE 'to-expert' END,
       iso(escalated_at), 'escalations'
FROM instances WHERE escalated AND level IS NOT NULL;

CREATE TABLE ends AS
SELECT *,
    CASE
        WHEN early.event = 'Closed' THEN 'closed'
        WHEN early IS NOT NULL THEN 'resolved'
        WHEN late.event = 'Closed' THEN 'closed-late'
        WHEN late IS NOT NULL THEN 'resolved-late'
        WHEN level IS NOT NULL THEN 'escalated'
        ELSE 'unanswered'
    END AS last_node,
    coalesce(early.t, late.t, escalated_at) AS ended
FROM instances;

INSERT INTO expected_outcomes
SELECT user_id, ticket, id, 'journey.exited', last_node, iso(ended), replace(last_node, '-', '_')
FROM ends;

-- Every node on the way, once, when it was reached.
INSERT INTO expected_outcomes
SELECT user_id, ticket, id, 'node.reached', node, told_at, NULL
FROM (
    SELECT user_id, ticket, id, 'answered' AS node, iso(t) AS told_at FROM ends
    UNION ALL
    SELECT user_id, ticket, id, unnest(['tone', 'still-open']), iso(reminded_at)
    FROM ends WHERE reminded
    UNION ALL
    SELECT user_id, ticket, id, reminder, iso(reminded_at)
    FROM ends WHERE reminded AND reminder IS NOT NULL
    UNION ALL
    SELECT user_id, ticket, id, 'escalation', iso(escalated_at) FROM ends WHERE escalated
    UNION ALL
    SELECT user_id, ticket, id, CASE level WHEN 'manager' THEN 'to-manager' ELSE 'to-expert' END,
           iso(escalated_at)
    FROM ends WHERE escalated AND level IS NOT NULL
    UNION ALL
    SELECT user_id, ticket, id, last_node, iso(ended) FROM ends
);

CREATE TABLE expected_actions AS
SELECT
    user_id, ticket AS key, id AS entry, 'reminders' AS destination, reminder AS node,
    iso(reminded_at) AS told_at, 'send_reminder' AS action, 'Ticket Reminder' AS event_name,
    json_object(
        'ticket', ticket,
        'customer', user_id,
        'subject', CASE variant
            WHEN 'friendly' THEN 'We have not forgotten ' || ticket
            ELSE ticket || ' is open' END,
        'variant', variant
    )::TEXT AS payload
FROM instances WHERE reminded AND reminder IS NOT NULL
UNION ALL
SELECT
    user_id, ticket, id, 'escalations',
    CASE level WHEN 'manager' THEN 'to-manager' ELSE 'to-expert' END,
    iso(escalated_at), 'escalate', 'Ticket Escalated',
    CASE level
        WHEN 'manager' THEN json_object(
            'ticket', ticket, 'level', level, 'opened', iso(t), 'agent', agent)
        ELSE json_object(
            'ticket', ticket, 'level', level, 'product', product,
            'reminded', CASE variant WHEN 'control' THEN 'no' ELSE variant END)
    END::TEXT
FROM instances WHERE escalated AND level IS NOT NULL;
