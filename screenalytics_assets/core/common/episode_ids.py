"""Ids of episodes, seasons and shows: ``rhobh-s05e02``, ``rhobh-s05``, ``rhobh``."""

import re
from typing import NamedTuple

from screenalytics_assets.core.common.errors import ConfigurationError

_EP_ID = re.compile(r"(?P<show>[a-z0-9]+(?:-[a-z0-9]+)*)-s(?P<season>[0-9]{2})e(?P<episode>[0-9]{2,3})", re.ASCII)
_SHOW = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_MAX_LENGTH = 64


class EpisodeId(NamedTuple):
    """The parts of an ``ep_id``, as text: ``rhobh``, ``05``, ``02``."""

    show: str
    season: str
    episode: str


def parse_ep_id(ep_id: str) -> EpisodeId:
    """Validate an episode id and split it into its parts.

    An id becomes a folder, an object key and a partition key, so only lower-case letters, digits and single dashes
    are allowed.

    Raises:
        ConfigurationError: The id does not have the form ``show-s05e02``.
    """
    match = _EP_ID.fullmatch(ep_id)
    if match is None or len(ep_id) > _MAX_LENGTH:
        raise ConfigurationError(
            f"{ep_id!r} is not an episode id: expected SHOW-sSSeEE in lower-case letters, digits and dashes, "
            f"at most {_MAX_LENGTH} characters, for example rhobh-s05e02"
        )
    return EpisodeId(**match.groupdict())


def is_ep_id(text: str) -> bool:
    """Whether a text has the form of an episode id."""
    return len(text) <= _MAX_LENGTH and _EP_ID.fullmatch(text) is not None


def season_of(ep_id: str) -> str:
    """The season of an episode: ``rhobh-s05`` for ``rhobh-s05e02``."""
    parts = parse_ep_id(ep_id)
    return f"{parts.show}-s{parts.season}"


def parse_season(season: str) -> str:
    """Validate the name of a season, the prefix of its episodes' ids.

    Raises:
        ConfigurationError: It does not have the form ``show-s05``.
    """
    if not is_ep_id(f"{season}e01"):
        raise ConfigurationError(
            f"{season!r} is not a season: expected SHOW-sSS in lower-case letters, digits and dashes, "
            "for example rhobh-s05"
        )
    return season


def show_of(ep_id: str) -> str:
    """The show of an episode: ``rhobh`` for ``rhobh-s05e02``."""
    return parse_ep_id(ep_id).show


def parse_show(show: str) -> str:
    """Validate the name of a show, the first part of its episodes' ids.

    Raises:
        ConfigurationError: It is not a valid name, or it is the id of an episode.
    """
    if _SHOW.fullmatch(show) is None or len(show) > _MAX_LENGTH:
        raise ConfigurationError(
            f"{show!r} is not a show: expected lower-case letters, digits and dashes, at most {_MAX_LENGTH} "
            "characters, for example rhobh"
        )
    if _EP_ID.fullmatch(show):
        raise ConfigurationError(f"{show!r} is an episode: its show is {show_of(show)}")
    return show
