"""Calls the destinations: every action is attempted until it gets a final answer or its time is
over.

Law: no call is made before its cause is committed, and giving up an action, its outcome and its
dead letter (or the response that its trigger waits for) are one transaction.
"""
