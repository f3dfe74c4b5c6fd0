-- The rows of `expected` in the order of the rules, with their cause. In a step timers come first,
-- earliest first, then what an event does, phase by phase. Exits, goals and waits take the oldest
-- instance first; entries go by the name of the journey. What the clock fires has for its place the
-- line before which it fires.

WITH ages AS (
    SELECT journey, user_id, entry, key, min((line, coalesce(due, 0), phase, step, journey)) AS age
    FROM expected WHERE type = 'journey.entered' GROUP BY ALL
)
SELECT e.user_id, e.journey, e.entry, e.key, e.type, e.node, iso(e.told_at), e.detail::TEXT,
    CASE WHEN ceil(e.line) < never() THEN ceil(e.line)::BIGINT END,
    CASE WHEN e.due IS NOT NULL THEN iso(e.due) END,
    CASE WHEN e.entry IS NULL THEN 0 ELSE row_number() OVER (
        PARTITION BY e.journey, e.user_id, e.entry, e.key ORDER BY e.line, e.due NULLS LAST, e.phase, e.step)
    END
FROM expected e LEFT JOIN ages a ON a.journey = e.journey AND a.user_id = e.user_id
    AND a.entry = e.entry AND a.key IS NOT DISTINCT FROM e.key
ORDER BY e.user_id, e.line, e.due NULLS LAST, e.phase,
    CASE WHEN e.phase < entries() THEN a.age END, e.journey, e.step
