"""Faust, mode and aiokafka: no other folder imports them."""
