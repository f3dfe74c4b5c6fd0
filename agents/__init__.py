"""What moves.

The roles register, evaluate and deliver, the one runtime loop that they share, the clients of
Kafka and of destinations, the demo and the command line. Imports go one way: agents -> tables ->
journeys.
"""
