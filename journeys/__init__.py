"""The semantics of journeys.

Documents, expressions and the step that turns (record, input, catalog, time) into (record,
effects). Everything here is pure: no Faust, no Kafka, no files, no clock, no random numbers. Time
is an argument and effects are return values, so the same input gives the same result, byte for
byte.
"""
