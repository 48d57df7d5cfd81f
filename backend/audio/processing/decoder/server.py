"""A server with the libraries loaded, which forks a keeper for each job that it is given."""

import gc
import os
import signal
import socket

from audio.processing.decoder.jobs import warm_up
from audio.processing.decoder.keeper import keep

_DESCRIPTORS = 3  # the job's socket, what is decoded, what is written


def serve(control_descriptor: int) -> None:
    """Forks a keeper for each message on the control socket, until that is closed.

    The import alone takes longer than most recordings do; forked, a child has it for nothing.
    """
    warm_up()
    gc.freeze()  # the children share these pages as long as nobody writes to them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the keepers
    with socket.socket(fileno=control_descriptor) as control:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
            if not message:
                return
            try:
                if os.fork() == 0:
                    control.close()
                    _be_keeper(descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)


def _be_keeper(descriptors: list[int]) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection, source, *target = descriptors
        keep(connection, source=source, target=target[0] if target else None)
    finally:
        os._exit(0)
