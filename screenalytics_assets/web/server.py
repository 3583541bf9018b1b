"""Serves the UI: a code server, the daemon, and the web server in this process."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import dagster as dg
import uvicorn

from resources.alerts.sinks import ui_url
from screenalytics_assets.core.common.errors import ScreenalyticsError
from screenalytics_assets.dagster_private import code_servers, open_workspace, reload_code_locations
from screenalytics_assets.web.app import create_app
from screenalytics_assets.web.guard import allowed_hosts
from screenalytics_assets.web.reloading import ChangedFiles, reloading

_CLOSE_TIMEOUT_S = 5
"""The browser keeps WebSockets open; the server does not wait longer for them when it stops."""
_DAEMON_STOP_TIMEOUT_S = 60.0
"""A tick that is under way may finish; as in ``dagster dev``."""
_PR_SET_PDEATHSIG = 1
"""Of ``linux/prctl.h``."""


def serve(
    instance: dg.DagsterInstance, workspace_file: Path, host: str, port: int, on_ready: Callable[[], None]
) -> None:
    """Serve until interrupted (SIGINT) or terminated (SIGTERM).

    Args:
        instance: What is shown.
        workspace_file: Names the code location.
        host: The address to listen on.
        port: The port to listen on.
        on_ready: Called when the pages can be opened.

    Raises:
        ConfigurationError: The address of the UI for people is not one.
        ScreenalyticsError: The port cannot be listened on, or the daemon has died.
    """
    hosts = allowed_hosts(host, ui_url(os.environ))
    changed = ChangedFiles()
    # A shell without job control starts background processes with SIGINT ignored; uvicorn sends both to itself again
    # when it has stopped, and the default action of SIGTERM would leave the daemon behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),
        _listening(host, port) as listener,
        code_servers(instance, workspace_file) as served_file,
        _daemon(served_file) as daemon,
        open_workspace(instance, served_file) as workspace,
        reloading(changed, lambda: reload_code_locations(workspace)),
    ):
        config = uvicorn.Config(
            create_app(workspace, hosts), log_level="warning", timeout_graceful_shutdown=_CLOSE_TIMEOUT_S
        )
        server = uvicorn.Server(config)
        threading.Thread(target=_stop_with, args=(daemon, server), daemon=True).start()
        on_ready()
        server.run(sockets=[listener])
        raise ScreenalyticsError(f"Dagster's daemon ended with exit code {daemon.poll()}: start the UI again")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        raise ScreenalyticsError(
            f"port {port} of {host}: {error.strerror or error}; choose another --host or --port"
        ) from error
    with listener:
        yield listener


@contextmanager
def _daemon(workspace_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon: schedules, sensors, queued runs and backfills."""
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace_file)],
        preexec_fn=partial(end_with_parent, os.getpid()),
    )
    try:
        yield daemon
    finally:
        daemon.terminate()
        try:
            daemon.wait(_DAEMON_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def end_with_parent(parent: int) -> None:
    """Have the kernel terminate this process when its parent ends, however it ends, or if it has ended already.

    A program that ignores or blocks SIGTERM passes that on to its children, which the signal would not end.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)


def _stop_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """Stop the server when the daemon ends: without it, nothing that is asked for in the UI would happen."""
    daemon.wait()
    server.should_exit = True
