"""A connection to PostgreSQL on which no wait is without limit."""

import time
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 15
"""The longest wait for a lock or for the answer to a statement: the largest ones of an episode take under a second."""
SILENCE_S = 18.0
"""The longest silence of a server. It is longer than `ANSWER_TIMEOUT_S`: a server that is there ends the statement and
says why. With the time for closing, a command gives up within half a minute."""

_INTERVAL_S = 0.1
"""How often silence is looked for; also psycopg's own."""


class LimitedConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed if nothing comes from the server for a while although it owes an answer.

    The options of `limits_of_waits` do not cover a server that is halted, or a proxy that passes nothing on: their
    machine still confirms what it gets.

    Attributes:
        silence_s: A limit other than `SILENCE_S`.
    """

    silence_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL_S, timeout: float | None = None) -> RV:
        """As in the base class.

        Raises:
            psycopg.OperationalError: Nothing came for so long.
        """
        return super().wait(self._until_silence(gen), interval, timeout)

    def _until_silence(self, gen: PQGen[RV]) -> PQGen[RV]:
        limit_s = SILENCE_S if self.silence_s is None else self.silence_s
        last = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    last = time.monotonic()
                elif time.monotonic() - last > limit_s:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"it accepted the connection, then no answer to a statement came for {limit_s:g} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result


def limits_of_waits(conninfo: str, *, answer_s: int = ANSWER_TIMEOUT_S) -> dict[str, Any]:
    """Options of a connection that gives up, if the server does not accept it, is gone, or waits for a lock.

    The server ends what waits too long; if its machine is gone, the kernel ends the connection. Options of the
    address are kept.

    Args:
        conninfo: The address.
        answer_s: The longest wait for a lock or for the answer to a statement.
    """
    milliseconds = answer_s * 1000
    given = psycopg.conninfo.conninfo_to_dict(conninfo).get("options") or ""
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": ANSWER_TIMEOUT_S * 1000,
        "keepalives_idle": ANSWER_TIMEOUT_S // 2,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds} {given}".strip(),
    }
