"""`journeys demo`: four years of a help desk, played through the whole engine on this machine.

Law: everything that it shows, also at the end, is read from the topics or counted by the receiver;
nothing is assumed.
"""
