"""`journeys demo`: four years of a help desk, played through the whole engine on this machine.

Law: what it shows and what it says at the end is read from the topics and counted at the receiver;
nothing is assumed.
"""
