"""Registering with TVM, which takes nothing back and nothing twice: what is begun is finished."""

from __future__ import annotations

import threading
from collections.abc import Callable


def registered_whole(register: Callable[[], None]) -> None:
    """Run what registers, in a thread of its own: Ctrl-C interrupts the main thread alone. It is raised when all is
    there; half a registration would stay for the life of the process.

    Raises
    ------
    Exception
        What `register` raises.
    """
    errors: list[BaseException] = []
    ended = threading.Event()  # Python takes a thread for stopped whose `join` was interrupted

    def run() -> None:
        try:
            register()
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, name="tvm-hlo-register").start()
    while not ended.is_set():
        try:
            ended.wait()
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
    if errors:
        raise errors[-1]
