"""Faust, mode and aiokafka: the only folder that knows them."""
