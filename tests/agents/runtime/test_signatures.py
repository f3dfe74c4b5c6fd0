"""With keys, only who has one can write a record that counts as the engine's own."""

import timeit
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.signatures import MAX_AGE_MS, Signatures
from agents.settings import RecordMode, Settings, SettingsError
from journeys.records.headers import KINDS, Headers, build, read
from journeys.records.input import Refusal

OLD, NEW, FOREIGN = "o" * 32, "n" * 32, "f" * 32
NOW = 1_768_746_735_234
SIGNER = Signatures((NEW, OLD), "require", "installation-1")


def check(
    by: Signatures,
    headers: Headers,
    value: bytes = b"{}",
    *,
    partition: int = 3,
    key: bytes | None = b"u",
    appended: int = NOW,
    counts: Counter[str] | None = None,
) -> str | None:
    counts = Counter() if counts is None else counts
    found = read(headers)
    refusal = by.check(partition, key, value, found, appended, lambda kind: counts.update([kind]))
    assert refusal is None or isinstance(refusal, Refusal)
    assert refusal is None or refusal.replayable
    return None if refusal is None else refusal.reason


def sign(by: Signatures, kind: str = "response", origin: str | None = None) -> Headers:
    return by.sign(3, b"u", b"{}", build(kind, origin), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(KINDS - {"mark", "dead-mark"}))
@pytest.mark.parametrize("origin", [None, "", "events-0-1"])
def test_what_is_signed_is_accepted(kind: str, origin: str | None) -> None:
    assert check(SIGNER, sign(SIGNER, kind, origin)) is None


def test_what_is_changed_in_any_part_is_refused() -> None:
    headers = sign(SIGNER, origin="events-0-1")
    assert check(SIGNER, headers, b"{} ") == "bad_signature"
    assert check(SIGNER, headers, partition=2) == "bad_signature"
    assert check(SIGNER, headers, key=b"v") == "bad_signature"
    assert check(SIGNER, headers, key=None) == "bad_signature"
    signature = headers[-1]
    assert check(SIGNER, [*build("event", "events-0-1"), signature]) == "bad_signature"
    assert check(SIGNER, [*build("response", "events-0-2"), signature]) == "bad_signature"
    assert check(SIGNER, [*build("response"), signature]) == "bad_signature"
    assert check(Signatures((NEW,), "require", "installation-2"), headers) == "bad_signature"


@given(
    parts=st.lists(st.binary(max_size=3), min_size=4, max_size=4),
    others=st.lists(st.binary(max_size=3), min_size=4, max_size=4),
)
def test_no_two_records_have_one_signature(parts: list[bytes], others: list[bytes]) -> None:
    """Also where the bytes of one part run on into the next."""
    first, second = (
        SIGNER.sign(0, key, value, [("journeys-record", kind), ("journeys-origin", origin)], NOW)
        for key, value, kind, origin in (parts, others)
    )
    assert (first[-1] == second[-1]) == (parts == others)


@given(at=st.integers(0, 40), bit=st.integers(0, 7))
def test_a_signature_with_any_bit_changed_is_refused(at: int, bit: int) -> None:
    *headers, (name, signature) = sign(SIGNER)
    changed = bytearray(signature)
    changed[at] ^= 1 << bit
    assert check(SIGNER, [*headers, (name, bytes(changed))]) == "bad_signature"


@given(st.binary(max_size=100) | st.none())
def test_an_arbitrary_signature_is_refused(noise: bytes | None) -> None:
    headers = [*build("barrier"), ("journeys-signature", noise)]
    assert check(SIGNER, headers) == "bad_signature"  # type: ignore[arg-type]


def test_without_a_signature_a_record_is_refused_or_only_counted() -> None:
    counts: Counter[str] = Counter()
    assert check(SIGNER, build("barrier"), counts=counts) == "unsigned"
    assert counts == {}
    accepting = Signatures((NEW,), "accept", "installation-1")
    assert check(accepting, build("barrier"), counts=counts) is None
    assert check(accepting, [("journeys-record", b"x" * 100)], counts=counts) is None
    assert counts == {"barrier": 1, "other": 1}
    assert check(accepting, sign(Signatures((FOREIGN,)))) == "bad_signature"


def test_marks_and_plain_events_need_no_signature() -> None:
    assert check(SIGNER, build("mark")) is None
    assert check(SIGNER, [("trace", b"1")]) is None
    assert check(SIGNER, [("journeys-origin", b"events-0-1")]) is None


@pytest.mark.parametrize("apart", [-MAX_AGE_MS - 1, MAX_AGE_MS + 1, -(10**12), 10**12])
def test_a_record_appended_long_before_or_after_it_was_signed_is_refused(apart: int) -> None:
    assert check(SIGNER, sign(SIGNER), appended=NOW + apart) == "stale_signature"
    near = MAX_AGE_MS if apart > 0 else -MAX_AGE_MS
    assert check(SIGNER, sign(SIGNER), appended=NOW + near) is None


def test_keys_are_rotated_without_a_gap() -> None:
    before, between, after = Signatures((OLD,)), Signatures((NEW, OLD)), Signatures((NEW,))
    assert check(between, sign(before)) is None
    assert check(between, sign(between)) is None
    assert check(after, sign(between)) is None
    assert check(after, sign(before)) == "bad_signature"
    assert check(Signatures((OLD, NEW)), sign(between)) is None


def test_without_keys_nothing_is_signed_and_nothing_checked() -> None:
    nobody = Signatures()
    assert sign(nobody) == build("response")
    assert check(nobody, build("response")) is None
    assert check(nobody, sign(SIGNER)) is None


def test_a_signature_costs_a_few_microseconds() -> None:
    headers = SIGNER.sign(3, b"u", b"{}" * 150, build("response"), NOW)
    signing = min(
        timeit.repeat(
            lambda: SIGNER.sign(3, b"u", b"{}" * 150, build("response"), NOW),
            number=1_000,
            repeat=7,
        )
    )
    found = read(headers)
    checking = min(
        timeit.repeat(
            lambda: SIGNER.check(3, b"u", b"{}" * 150, found, NOW, lambda kind: None),
            number=1_000,
            repeat=7,
        )
    )
    assert signing < 0.02, f"{signing * 1_000:.1f} us"
    assert checking < 0.02, f"{checking * 1_000:.1f} us"


@pytest.mark.parametrize("keys", ["short", f"{OLD},short", "x y" * 20, "é" * 40])
def test_a_key_that_can_not_be_used_is_refused_and_not_printed(keys: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"JOURNEYS_RECORD_KEYS": keys})
    assert keys not in str(refused.value)


@pytest.mark.parametrize("mode", ["accept", "require"])
def test_keys_and_mode_are_settings(mode: RecordMode) -> None:
    settings = Settings.from_env(
        {"JOURNEYS_RECORD_KEYS": f"{NEW}, {OLD}", "JOURNEYS_RECORD_MODE": mode}
    )
    assert settings.record_keys == (NEW, OLD)
    assert settings.record_mode == mode
    assert NEW not in repr(settings)
    with pytest.raises(SettingsError):
        Settings.from_env({"JOURNEYS_RECORD_MODE": "reject"})
