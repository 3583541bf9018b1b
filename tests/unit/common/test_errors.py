"""Messages of errors can be shown in a terminal, whatever they quote."""

from screenalytics_assets.core.common.errors import MAX_MESSAGE_CHARACTERS, ConfigurationError


def test_a_message_does_not_control_the_terminal_that_shows_it() -> None:
    error = ConfigurationError("a.yaml: 'x\x1b[2J\u202e\ud800': expected\nJosé")
    assert str(error) == "a.yaml: 'x\\x1b[2J\\u202e\\ud800': expected\nJosé"
    assert str(error).encode()


def test_the_middle_of_a_very_long_message_is_left_out() -> None:
    message = "a.yaml: " + "x" * 1_000_000 + "; correct it"
    shown = str(ConfigurationError(message))
    assert len(shown) < MAX_MESSAGE_CHARACTERS + 100
    assert shown.startswith("a.yaml: x")
    assert shown.endswith("x; correct it")
    assert str(ConfigurationError("x" * MAX_MESSAGE_CHARACTERS)) == "x" * MAX_MESSAGE_CHARACTERS
