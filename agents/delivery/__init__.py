"""Calls the destinations: every action is called until it is answered for good or its time is over.

Law: nothing is called before its cause is committed, and an action is given up only together with
its outcome and its dead letter, or the response that its trigger waits for.
"""
