from screenalytics_assets.core.common.digests import digest_of


def test_a_digest_does_not_depend_on_the_order_of_the_keys() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
