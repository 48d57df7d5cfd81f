"""A server with the libraries loaded, which forks a supervisor for each job."""

import gc
import os
import signal
import socket

from audio.processing.decoder.operations import JOBS, Jobs, warm_up
from audio.processing.decoder.privileges import drop_privileges
from audio.processing.decoder.sandbox import hide
from audio.processing.decoder.supervisor import supervise

_DESCRIPTORS = 3  # the job's socket, what is decoded, what is written


def serve(control_descriptor: int, *, niceness: int = 0, jobs: Jobs = JOBS) -> None:
    """Forks a supervisor for each message on the control socket, until that is closed.

    The import alone takes longer than most recordings; a forked child doesn't repeat it. Tests pass other `jobs`, which
    try in a child what it must not be able to do.
    """
    os.nice(niceness)
    warm_up()
    drop_privileges()  # after all imports: other users may not be able to read the code
    hide()
    gc.freeze()  # the children share these pages as long as nobody writes to them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the supervisors
    with socket.socket(fileno=control_descriptor) as control:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, _DESCRIPTORS)
            if not message:
                return
            try:
                if os.fork() == 0:
                    control.close()
                    _supervise_job(descriptors, jobs)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)


def _supervise_job(descriptors: list[int], jobs: Jobs) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection, source, *target = descriptors
        supervise(connection, jobs=jobs, source=source, target=target[0] if target else None)
    finally:
        os._exit(0)
