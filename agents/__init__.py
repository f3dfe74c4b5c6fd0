"""What moves.

The roles register, identify, evaluate, deliver and batch, the one runtime loop that they share, the
way to Kafka and to destinations, and the command line. Imports go one way: agents -> tables ->
journeys.
"""
