"""The life of a local worker process: answer calls until the parent is gone."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NoReturn

from windrow.tasks.executors.calls import Call, answer
from windrow.tasks.executors.shared_file import read_shared
from windrow.tasks.lifeline import die_with


def serve(descriptor: int, line: int) -> NoReturn:
    """Answer the calls that arrive on an inherited connection, one after another, until its other end closes.

    `line`: see `die_with`; it ends this process in the middle of a call too.
    """
    die_with(line)
    os.set_inheritable(line, False)
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    calls: SimpleQueue[Call] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, calls), daemon=True).start()
    while True:
        outcome = answer(calls.get(), read_shared)
        try:
            connection.send_bytes(outcome)
        except OSError:
            os._exit(1)


def _receive(connection: Connection, calls: SimpleQueue[Call]) -> None:
    # a thread of its own sees at once, in the middle of a call too, that the parent has gone
    try:
        while True:
            sources, live = connection.recv()
            calls.put(Call(connection.recv_bytes(), sources, live))
    except (EOFError, OSError):
        os._exit(1)
