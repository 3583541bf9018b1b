"""Messages show no passwords, and stay readable."""

import pytest

from resources.system.redaction import without_passwords


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:HIDDEN@host/db",
        "postgresql://me:HID@HIDDEN@host/db",
        "postgresql://me:HID/HIDDEN@host/db",
        "could not parse 'https://key:HIDDEN@h/x'",
        "password='HIDDEN and HIDDEN' host=x",
        'password="HIDDEN HIDDEN"',
        r"password='HID\'DEN HIDDEN' host=x",
        "password='HIDDEN HIDDEN",
        "{'password': 'HIDDEN HIDDEN'}",
        '{"token": "HIDDEN"}',
        "PGPASSWORD=HIDDEN psql",
        "AWS_SECRET_ACCESS_KEY=HIDDEN",
        "AWS_ACCESS_KEY_ID=HIDDEN",
        "aws_session_token: HIDDEN",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=HIDDEN&X-Amz-Signature=HIDDEN&x=1",
        "api-key: HIDDEN",
        "Authorization: Bearer HIDDEN",
        "sent with bearer HIDDEN",
        "https://hooks.slack.com/services/HIDDEN/HIDDEN",
        "https://discord.com/api/webhooks/HIDDEN/HIDDEN",
        "https://firm.webhook.office.com/webhookb2/HIDDEN",
        "https://api.telegram.org/botHIDDEN/send",
    ],
)
def test_what_gives_access_is_not_shown(text: str) -> None:
    assert "HID" not in without_passwords(text)


def test_what_is_beside_it_stays() -> None:
    assert without_passwords("postgresql://me:a@b@host/db failed") == "postgresql://…@host/db failed"
    assert without_passwords("password=a host=x") == "password=… host=x"
    assert without_passwords("https://h/k?X-Amz-Signature=a&x=1") == "https://h/k?X-Amz-Signature=…&x=1"
    assert without_passwords("POST https://hooks.slack.com/services/a/b: 404") == "POST https://hooks.slack.com/… 404"


@pytest.mark.parametrize(
    "text",
    [
        "key: detection.frame_stride",
        "unknown key 'settle'; known keys: folder, settle_s",
        "--set key=value: expected a number",
        'FATAL: password authentication failed for user "me"',
        "http://127.0.0.1:3000/runs/0123",
        "keyframes=12 keypoints: 5",
        "s3://bucket/prefix/key.json: no such file",
        "mail to me@example.com",
    ],
)
def test_ordinary_messages_are_unchanged(text: str) -> None:
    assert without_passwords(text) == text
