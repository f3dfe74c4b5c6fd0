-- What every journey's SQL builds on: the log as the language reads it, and when timers fire.
-- Given: table raw, one row a line: n (from 1), and the fields of an event as they are on the wire.

CREATE MACRO iso(ms) AS strftime(make_timestamp(ms * 1000), '%Y-%m-%dT%H:%M:%S.%gZ');
CREATE MACRO hours(h) AS h * 3600000::BIGINT;
CREATE MACRO days(d) AS d * 86400000::BIGINT;
CREATE MACRO never() AS 1000000000000::BIGINT;

CREATE MACRO ms(text) AS CASE
    WHEN regexp_full_match(text, '-?\d+') THEN CAST(text AS BIGINT)
    ELSE epoch_us(CAST(text AS TIMESTAMPTZ)) // 1000  -- what is finer is cut off
END;

-- A key as text, NULL where it is none: texts as they are, integers in decimal, true and false.
CREATE MACRO key_text(p, path) AS CASE
    WHEN json_type(p, path) IN ('VARCHAR', 'UBIGINT', 'BIGINT', 'BOOLEAN') THEN p ->> path
END;

-- Conditions. NULL: a field is missing or of a kind that doesn't compare, so the condition fails.
CREATE MACRO is_text(p, path, texts) AS CASE
    WHEN json_type(p, path) IS NULL THEN NULL
    ELSE json_type(p, path) = 'VARCHAR' AND list_contains(texts, p ->> path)
END;
CREATE MACRO number(p, path) AS CASE
    WHEN json_type(p, path) IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN CAST(p ->> path AS DOUBLE)
END;
CREATE MACRO same(one, other, path) AS CASE
    WHEN json_type(one, path) IS NULL OR json_type(other, path) IS NULL THEN NULL
    ELSE json_extract(one, path) = json_extract(other, path)
END;

-- t: the time of the event, never later than its arrival. pt: the latest time so far.
CREATE TABLE timed AS
WITH times AS (
    SELECT *, ms(receivedAt) AS received, ms(timestamp) AS stamp FROM raw
)
SELECT
    n,
    coalesce(userId, anonymousId) AS user_id,
    coalesce(nullif(messageId, ''), n::TEXT) AS id,
    event,
    least(coalesce(stamp, received), coalesce(received, stamp)) AS t,
    received,
    coalesce(properties, '{}'::JSON) AS p,
    coalesce(context, '{}'::JSON) AS c,
    traits,
    traits_once,
    coalesce(backfill, false) AS backfill
FROM times;

-- An event that has neither time happened when the latest one before it did.
CREATE TABLE arrived AS
SELECT * REPLACE (coalesce(t, pt) AS t), coalesce(received, pt) AS arrival
FROM (SELECT *, max(t) OVER (ORDER BY n) AS pt FROM timed);

-- Repeats. Which messageIds are remembered depends on which events were repeats before, so only
-- what holds either way is decided; the logs have no other.
CREATE TABLE marked AS
WITH counted AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY user_id ORDER BY n) AS nth,
        row_number() OVER (PARTITION BY user_id, id ORDER BY n) AS time_of_id
    FROM arrived
),
distinct_so_far AS (
    SELECT *, sum((time_of_id = 1)::INT) OVER (PARTITION BY user_id ORDER BY n) AS ids FROM counted
),
before AS (
    SELECT
        *,
        lag(nth) OVER same_id AS nth_before,
        lag(ids) OVER same_id AS ids_before,
        lag(pt) OVER same_id AS pt_before
    FROM distinct_so_far
    WINDOW same_id AS (PARTITION BY user_id, id ORDER BY n)
)
SELECT
    * EXCLUDE (nth, ids, time_of_id, nth_before, ids_before, pt_before),
    CASE
        WHEN nth_before IS NULL THEN false
        WHEN nth - nth_before <= 64 THEN true
        WHEN nth - nth_before <= 1024 AND pt_before >= pt - hours(1) THEN true
        WHEN ids - ids_before > 64 AND pt_before < pt - hours(1) THEN false
        ELSE error('whether line ' || n || ' is a repeat is more than this SQL can tell')
    END AS repeat
FROM before;

-- The traits that each event lays over the profile. What only fills, traits_once and the traits of a
-- backfill, counts if it is the first value since the last ordinary trait, which removed it or isn't
-- there. traits_once comes after the traits of its event.
CREATE TABLE laid AS
WITH maps AS (
    SELECT n, user_id, 2 * n AS place, traits AS map, backfill AS fills FROM marked WHERE NOT repeat
    UNION ALL
    SELECT n, user_id, 2 * n + 1, traits_once, true FROM marked WHERE NOT repeat
),
each AS (
    SELECT *, unnest(json_keys(map)) AS name, unnest(range(len(json_keys(map)))) AS nth
    FROM maps WHERE map IS NOT NULL
),
valued AS (
    SELECT * EXCLUDE (map), map -> ('$.' || name) AS value,
        json_type(map, '$.' || name) <> 'NULL' AS given
    FROM each
),
runs AS (
    SELECT *, count(*) FILTER (NOT fills) OVER (PARTITION BY user_id, name ORDER BY place) AS run
    FROM valued
),
filled AS (
    SELECT *,
        coalesce(bool_or(given AND NOT fills) OVER same_run, false) AS known,
        min(place) FILTER (given AND fills) OVER same_run AS first_filled
    FROM runs
    WINDOW same_run AS (PARTITION BY user_id, name, run)
),
last AS (
    SELECT n, name, last(value ORDER BY place) AS value, first(place ORDER BY place) AS place,
        first(nth ORDER BY place) AS nth
    FROM filled
    WHERE NOT fills OR (NOT known AND place = first_filled)
    GROUP BY n, name
)
SELECT n, CAST(
    '{' || string_agg(to_json(name) || ':' || value, ',' ORDER BY place, nth) || '}' AS JSON
) AS traits
FROM last GROUP BY n;

CREATE TABLE events AS
SELECT m.* EXCLUDE (repeat, backfill, traits, traits_once), laid.traits, backfill
FROM marked m LEFT JOIN laid USING (n) WHERE NOT repeat;
CREATE TABLE live AS SELECT * EXCLUDE (backfill) FROM events WHERE NOT backfill;

-- The first line at which the latest time is pt, or later.
CREATE TABLE clock AS SELECT pt, min(n) AS line FROM arrived GROUP BY pt;

-- When the timers of a stage fire. A stage has columns i, user_id, due; clock_from and user_from:
-- the first line at which the clock, or an event of the user, can fire it; armed: the arrival of the
-- event in whose step the timer was set, NULL where the clock fired that step.
-- A timer that is due already when it is set leaves ten seconds from that arrival on. The clock
-- fires it before the first line at or after its time; an event of the user at or after its due time
-- fires it too. line is never() for what fires only when time goes on after the log's end.
CREATE MACRO fires(stage) AS TABLE
WITH timers AS (
    SELECT
        *,
        CASE WHEN armed IS NOT NULL AND due <= armed THEN greatest(due, armed + 10000) ELSE due END
            AS fire_at
    FROM query_table(stage)
),
by_clock AS (
    SELECT timers.*,
        CASE WHEN clock.line IS NULL THEN never() ELSE greatest(clock.line, clock_from) END
            AS clock_line
    FROM timers ASOF LEFT JOIN clock ON timers.fire_at <= clock.pt
),
by_user AS (
    SELECT s.i, min(e.n) AS user_line
    FROM by_clock s JOIN events e
        ON e.user_id = s.user_id AND e.n >= s.user_from AND e.n < s.clock_line AND e.t >= s.due
    WHERE s.fire_at > s.due
    GROUP BY s.i
)
SELECT
    s.* EXCLUDE (clock_line),
    coalesce(user_line, clock_line) AS line,
    coalesce(user_line, clock_line - 0.5) AS told_line,
    -- What the next stage starts from.
    CASE WHEN user_line IS NOT NULL THEN e.arrival END AS next_armed,
    CASE WHEN user_line IS NOT NULL THEN user_line + 1 ELSE clock_line END AS next_clock_from
FROM by_clock s LEFT JOIN by_user USING (i) LEFT JOIN events e ON e.n = user_line;

-- What must be told. journey: NULL for what is apart from any. entry: the messageId of the event
-- that started the instance. line: of the event in whose step it is told; what the clock fires is
-- told half a line before it. due: of the timer whose step it is. phase: its place in the step.
-- step: its place among what the instance tells. The journeys' own files fill it.
CREATE TABLE expected (
    journey TEXT, user_id TEXT, entry TEXT, key TEXT, type TEXT, node TEXT, told_at BIGINT,
    detail JSON, line DOUBLE, due BIGINT, phase INT, step INT
);
CREATE MACRO timer() AS 0;
CREATE MACRO profile() AS 1;
CREATE MACRO exits() AS 2;
CREATE MACRO reached() AS 3;
CREATE MACRO waits() AS 4;
CREATE MACRO entries() AS 5;
CREATE MACRO emitted() AS 6;

-- Users whose events came in order, each at once and under an id of its own: all that they are told is
-- told in the order of the rules.
CREATE TABLE orderly AS
SELECT user_id FROM events GROUP BY user_id
HAVING bool_and(t = pt AND received IS NULL) AND count(*) = count(DISTINCT id);

-- Which failing condition of an entry is told: the first of each minute of the log.
CREATE MACRO first_of_minute(failed) AS TABLE
SELECT f.* FROM query_table(failed) f
QUALIFY n = min(n) OVER (PARTITION BY pt // 60000);
