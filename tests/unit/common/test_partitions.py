import re
from pathlib import PurePosixPath, PureWindowsPath

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screenalytics_assets.core.common.episode_ids import parse_ep_id, season_of
from screenalytics_assets.core.common.errors import ConfigurationError
from screenalytics_assets.partitions import EPISODES, EPISODES_NAME


@pytest.mark.parametrize(
    ("ep_id", "parts"),
    [
        ("rhobh-s05e02", ("rhobh", "05", "02")),
        ("tbbt-s01e104", ("tbbt", "01", "104")),
        ("the-office-us-s09e23", ("the-office-us", "09", "23")),
        ("24-s01e01", ("24", "01", "01")),
        ("s01e01-s01e01", ("s01e01", "01", "01")),
        ("a" * 57 + "-s01e01", ("a" * 57, "01", "01")),
    ],
)
def test_an_episode_id_is_show_season_and_episode(ep_id: str, parts: tuple[str, str, str]) -> None:
    assert parse_ep_id(ep_id) == parts


INVALID = [
    "",
    "rhobh",
    "s05e02",
    "-s05e02",
    "rhobh-s5e2",
    "rhobh-s05e2",
    "rhobh-s005e02",
    "rhobh-s05e0002",
    "rhobh-s05",
    "rhobh_s05e02",
    "rhobh--s05e02",
    "-rhobh-s05e02",
    "rhobh-s05e02-",
    "rhobh-s05e02-extra",
    "RHOBH-s05e02",
    "rhobh-S05E02",
    "../x",
    "../rhobh-s05e02",
    "rhobh-s05e02/..",
    "a/b-s05e02",
    "a\\b-s05e02",
    "...",
    "..-s05e02",
    "rhobh...-s05e02",
    "rh obh-s05e02",
    " rhobh-s05e02",
    "rhobh-s05e02 ",
    "rhobh-s05e02\n",
    "rhobh-s05e02\x00",
    "rhobh,tbbt-s05e02",
    "rhobh-s05e02,rhobh-s05e03",
    "rhobh-s٠٥e٠٢",
    "rhobh-s²3e02",
    "café-s05e02",
    "ｒhobh-s05e02",
    "~-s05e02",
    "$HOME-s05e02",
    "a=b-s05e02",
    "a" * 58 + "-s01e01",
]


@pytest.mark.parametrize("ep_id", INVALID)
def test_anything_else_is_refused_with_an_example(ep_id: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_ep_id(ep_id)
    assert str(caught.value).startswith(repr(ep_id))
    assert "for example rhobh-s05e02" in str(caught.value)


@given(st.text() | st.from_regex(r"[a-z0-9./\\ ,_-]{0,8}-s[0-9]{2}e[0-9]{2,3}\s?"))
@settings(max_examples=300)
def test_every_accepted_id_is_a_single_safe_path_component(ep_id: str) -> None:
    try:
        parts = parse_ep_id(ep_id)
    except ConfigurationError:
        return
    assert re.fullmatch(r"[a-z0-9-]{8,64}", ep_id)
    assert PurePosixPath(ep_id).parts == PureWindowsPath(ep_id).parts == (ep_id,)
    assert ep_id == f"{parts.show}-s{parts.season}e{parts.episode}"


@given(st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,3}-s[0-9]{2}e[0-9]{2,3}", fullmatch=True))
def test_every_id_in_the_documented_format_is_accepted(ep_id: str) -> None:
    assert ep_id == "{}-s{}e{}".format(*parse_ep_id(ep_id))


def test_the_season_of_an_episode_is_show_and_season() -> None:
    assert season_of("rhobh-s05e02") == "rhobh-s05"
    assert season_of("the-office-us-s09e23") == season_of("the-office-us-s09e01") == "the-office-us-s09"


def test_an_invalid_episode_id_has_no_season() -> None:
    with pytest.raises(ConfigurationError):
        season_of("rhobh-s05")


def test_episodes_are_dynamic_partitions() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(EPISODES_NAME, ["rhobh-s05e02"])
        assert EPISODES.get_partition_keys(dynamic_partitions_store=instance) == ["rhobh-s05e02"]
