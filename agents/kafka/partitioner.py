"""Kafka's own choice of a partition for a key (murmur2), so that every part of the engine agrees.

It is what the Java clients do by default and librdkafka does with `partitioner=murmur2`.
"""

from __future__ import annotations

from struct import unpack_from

_SEED = 0x9747B28C
_M = 0x5BD1E995
_32_BITS = 0xFFFFFFFF


def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 to `partitions` - 1, that a record with this key belongs to.

    Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash with Kafka's seed, as an unsigned number."""
    size = len(data)
    whole, rest = divmod(size, 4)
    h = _SEED ^ size
    for k in unpack_from(f"<{whole}I", data):
        k = k * _M & _32_BITS
        k = (k ^ k >> 24) * _M & _32_BITS
        h = (h * _M & _32_BITS) ^ k
    if rest:
        h = (h ^ int.from_bytes(data[-rest:], "little")) * _M & _32_BITS
    h = (h ^ h >> 13) * _M & _32_BITS
    return h ^ h >> 15
