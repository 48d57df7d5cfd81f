"""The box of a child: whoever runs code in it reaches nothing, and no layer stands for another."""

import ast
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from audio.model.demuxers import DEMUXERS
from audio.model.formats import WAV
from audio.model.recognition import Recognition
from audio.processing.decoder_process import SERVER, Sandbox, inspect_sandbox
from audio.processing.decoding import Decoder, DecoderUnavailable, DecodingFailed, DecodingLimits, ResourceUsage
from audio.processing.open_files import new_file, opened
from audio.processing.probing import examine
from tests.audio.conftest import format_of
from tests.audio.processing.test_decoding import BACKEND, children, until
from tests.audio.samples import SAMPLES, Sample, recording

LIMITS = DecodingLimits()
ATTACKER = Path(__file__).with_name("attacker.py")
OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")
ALL = Sandbox(no_new_privs=True, seccomp=True, landlock=True, unprivileged=True)
FORBIDDEN = {
    "read a file": "EPERM",
    "read a file in place of another": "EPERM",
    "list a folder": "EPERM",
    "write a file": "EPERM",
    "ask for a file": "EPERM",
    "ask for a file by number": "EPERM",
    "open the recording to write": "EPERM",
    "write to the recording": "EBADF",
    "give the recording away": "EPERM",
    "write without a target": "EINVAL",
    "make a folder": "EPERM",
    "remove a file": "EPERM",
    "make a file in memory": "EPERM",
    "connect": "EPERM",
    "connect in place of another": "EPERM",
    "have a local socket": "EPERM",
    "have a pipe": "EPERM",
    "duplicate a descriptor": "EPERM",
    "fork": "EPERM",
    "fork by number": "EPERM",
    "begin a thread": "can't start new thread",
    "run a program": "EPERM",
    "trace the server": "EPERM",
    "trace another child": "EPERM",
    "read another child": "EPERM",
    "get hold of another child": "EPERM",
    "end another child": "EPERM",
    "become root": "EPERM",
    "have a namespace": "EPERM",
    "have a ring of calls": "EPERM",
    "program the kernel": "EPERM",
    "be looked into": "EPERM",
    "have more descriptors": "EPERM",
    "have memory that is run": "EPERM",
    "run memory that it wrote": "EPERM",
    "call by other numbers": "EPERM",
}
# One layer at a time; what it doesn't deny is another's.
ALONE = """
import errno, os, resource, socket, sys
sys.path.append(sys.argv[1])
from audio.processing.decoder import landlock, privileges, sandbox, seccomp
from audio.processing.decoder.libc import prctl

def outcome(attempt):
    try:
        return f"it got {attempt()!r}"
    except OSError as error:
        return errno.errorcode[error.errno]

def limits():
    for limit in sandbox.NOTHING_OF:
        resource.setrlimit(limit, (0, 0))

listener = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
privileges.drop_privileges()
prctl(38, 1)
{"landlock": landlock.restrict_self, "seccomp": seccomp.filter_calls, "limits": limits}[sys.argv[2]]()
answers = {
    "open": outcome(lambda: os.open("/etc/passwd", os.O_RDONLY)),
    "connect": outcome(lambda: client.connect(listener.getsockname())),
    "socket": outcome(socket.socket),
    "fork": outcome(lambda: os.fork() or os._exit(0)),
}
os.write(1, repr(answers).encode())
"""
LAYERS = {
    "landlock": {"open": "EACCES", "connect": "EACCES"},
    "seccomp": {"open": "EPERM", "connect": "EPERM", "socket": "EPERM", "fork": "EPERM"},
    "limits": {"open": "EMFILE", "socket": "EMFILE", "fork": "EAGAIN"},
}
WITHOUT = """
import json, sys
sys.path.append(sys.argv[1])
from audio.processing.decoder import libc, sandbox, seccomp
libc.prctl(38, 1)
seccomp.filter_calls()  # as a system that has none of the layers refuses them
print(json.dumps(sandbox.close_sandbox()))
"""

BROKEN = """
import errno, sys
sys.path.append(sys.argv[1])
from audio.processing.decoder import sandbox

def fail():
    raise OSError(errno.ENOMEM, "")

sandbox.restrict_self = fail
"""


@pytest.fixture(scope="module")
def attacked() -> Iterator[Decoder]:
    """A decoder whose child does what an attacker would."""
    decoder = Decoder(program=ATTACKER.read_text())
    yield decoder
    asyncio.run(decoder.stop())


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    """A recording, open for reading."""
    path = tmp_path / "recording"
    path.write_bytes(recording("wav"))
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@asynccontextmanager
async def spinning(decoder: Decoder, source: int) -> AsyncIterator[int]:
    """The process id of a child that computes, in its box, for as long as the block lasts."""
    job = asyncio.create_task(decoder.run("spin", source=source, limits=LIMITS))
    await until(lambda: decoder._server and any(map(is_boxed, children(decoder._server.process.pid))))
    assert decoder._server
    yield next(filter(is_boxed, children(decoder._server.process.pid)))
    job.cancel()
    await until(lambda: decoder._server and not children(decoder._server.process.pid))


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def is_boxed(pid: int) -> bool:
    try:
        return status_of(pid)["Seccomp"] == "2"
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return False


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_an_attacker_gets_nothing(attacked: Decoder, source: int, name: str) -> None:
    """Code that runs in a child reads and writes no other file, connects to nobody, and begins and harms nobody."""
    async with spinning(attacked, source) as other:
        answer, _ = await attacked.run("attack", source=source, limits=LIMITS, name=name, pid=other)
        assert answer == {"outcome": FORBIDDEN[name]}
        assert is_boxed(other)


async def test_a_child_has_what_it_needs_alone(source: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has five descriptors, two of them for nothing, and no secret: of the environment only what libraries need."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@127.0.0.1/db")
    async with Decoder(program=ATTACKER.read_text()) as decoder:
        answer, _ = await decoder.run("look around", source=source, limits=LIMITS)
    assert answer["open"] == [0, 1, 2, 3, 4]
    assert set(answer["environment"]) <= {"PATH", "LD_LIBRARY_PATH", "LC_CTYPE", *OPENBLAS}


async def test_a_child_is_nobody(attacked: Decoder, source: int) -> None:
    """The kernel says so: no root, no group, no capability, no way to more; and none of its user may look into it."""
    async with spinning(attacked, source) as child:
        status = status_of(child)
        assert "0" not in status["Uid"].split()
        assert "0" not in status["Gid"].split()
        assert os.geteuid() or not status["Groups"]
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
        assert Path(f"/proc/{child}/mem").stat().st_uid == 0


async def test_the_server_and_the_supervisor_are_nobody_either(attacked: Decoder, source: int) -> None:
    """What stands around a child has given up its privileges, too."""
    async with spinning(attacked, source) as child:
        assert attacked._server
        server = attacked._server.process.pid
        for pid in (server, *children(server)):
            status = status_of(pid)
            assert status["Uid"] == status_of(child)["Uid"]
            assert int(status["CapEff"], 16) == 0


async def test_a_child_ends_with_its_supervisor(attacked: Decoder, source: int) -> None:
    """A supervisor that is killed leaves no child behind."""
    async with spinning(attacked, source) as child:
        os.kill(int(status_of(child)["PPid"]), signal.SIGKILL)
        await until(lambda: not Path(f"/proc/{child}").exists() or status_of(child)["State"].startswith("Z"))


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_holds_by_itself(layer: str) -> None:
    """Where all the others are missing, a layer still denies what is its own to deny."""
    process = subprocess.run([sys.executable, "-c", ALONE, str(BACKEND), layer], capture_output=True, check=True)
    outcomes = ast.literal_eval(process.stdout.decode())
    assert {name: outcomes[name] for name in LAYERS[layer]} == LAYERS[layer]


async def test_this_machine_has_all_layers() -> None:
    """What is said at the start and by /health is what closes around a process that does nothing else."""
    assert await inspect_sandbox() == ALL


def test_a_system_without_layers_says_so() -> None:
    """Where the kernel or a container's filter has none of them, that is told, and decoding isn't held up."""
    process = subprocess.run([sys.executable, "-c", WITHOUT, str(BACKEND)], capture_output=True, check=True)
    assert json.loads(process.stdout) == {"no_new_privs": False, "landlock": False, "seccomp": False}


async def test_nothing_is_decoded_in_an_open_box(source: int) -> None:
    """A layer that is there and can't be closed holds decoding up, and is no fault of the recording's."""
    async with Decoder(program=BROKEN + SERVER) as decoder:
        with pytest.raises(DecoderUnavailable):
            await examine(source, Recognition(WAV), decoder=decoder, limits=LIMITS)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_a_job_imports_nothing(attacked: Decoder, sample: Sample, tmp_path: Path) -> None:
    """All that any format calls for is there before the box is closed: nothing could be read afterwards."""
    content = recording(sample.name, seconds=2.0)
    path = tmp_path / "recording"
    path.write_bytes(content)
    jobs: dict[str, dict[str, float | str]] = {
        "examine": {"cpu_seconds": 1.0},
        "transcode": {"codec": sample.codec},
        "samples": {"longest_seconds": 60},
    }
    async with opened(path) as source, new_file(tmp_path / "made") as target:
        for job, arguments in jobs.items():
            answer, _ = await attacked.run(
                f"watched {job}",
                source=source,
                target=target,
                limits=LIMITS,
                demuxer=DEMUXERS[format_of(content).name],
                **arguments,
            )
            assert answer == {"imports": []}


STUBBORN: dict[str, tuple[str, str]] = {
    "computing": ("spin on", "it took more than 1 s of processor time"),
    "answering": ("talk", "its answer is too long"),
}


@pytest.mark.parametrize(("job", "reason"), STUBBORN.values(), ids=STUBBORN)
async def test_what_has_to_be_killed_has_failed(attacked: Decoder, source: int, job: str, reason: str) -> None:
    """A child that only SIGKILL keeps within its limits was killed by no stranger: another try would end alike."""
    with pytest.raises(DecodingFailed, match=reason):
        await attacked.run(job, source=source, limits=DecodingLimits(cpu_seconds=1, cpu_seconds_per_mib=0))


LIES: dict[str, tuple[object, type[Exception], str]] = {
    "no answer": ({}, DecodingFailed, "status 0"),
    "a list": ([], DecodingFailed, "status 0"),
    "no result": ({"result": 1}, DecoderUnavailable, "doesn't run"),
    "controls": ({"reason": "\x1b[2J\x00\nit is fine"}, DecodingFailed, r"\?\[2J\?\?it is fine"),
    "a long story": ({"reason": "x" * 10_000}, DecodingFailed, "^The recording can't be decoded: x{300}.$"),
}


@pytest.mark.parametrize(("answer", "error", "sentence"), LIES.values(), ids=LIES)
async def test_a_lie_does_no_harm(
    attacked: Decoder, source: int, answer: object, error: type[Exception], sentence: str
) -> None:
    """Whatever a child answers, it commands no terminal, forges no line of the log and fills no column."""
    with pytest.raises(error, match=sentence):
        await attacked.run("say", source=source, limits=LIMITS, answer=json.dumps(answer))


def whole_answer(**lies: object) -> dict[str, object]:
    return {
        "duration_seconds": 1.0,
        "codec": "opus",
        "sample_rate_hz": 48000,
        "channels": 1,
        "bit_rate": 1,
        "seekable": True,
        "lost_seconds": 0.0,
        "states_length": True,
        "continuous": True,
        "begins_at_zero": True,
        "unreadable_packets": 0,
        "coarse": False,
        "samples_per_pixel": 64,
        "data": [-1, 1],
    } | lies


IMPOSSIBLE: dict[str, dict[str, object]] = {
    "endless": {"duration_seconds": float("inf")},
    "over before it began": {"duration_seconds": -1.0},
    "a duration in words": {"duration_seconds": "1"},
    "a codec that is markup": {"codec": "<script>"},
    "no rate": {"sample_rate_hz": 0},
    "more channels than there are": {"channels": 2**40},
    "a level beyond full scale": {"data": [2**20]},
    "a waveform without end": {"data": [0] * 10_000},
    "a waveform in words": {"data": "0"},
}


@pytest.mark.parametrize("lie", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_impossible_recording_is_refused(attacked: Decoder, source: int, lie: dict[str, object]) -> None:
    """What a child says of a recording is taken only where a recording can be so."""

    class Lying(Decoder):
        async def run(self, *_job: object, **_how: object) -> tuple[dict[str, object], ResourceUsage]:
            return await attacked.run(
                "say", source=source, limits=LIMITS, answer=json.dumps({"result": whole_answer(**lie)})
            )

    with pytest.raises(DecodingFailed, match="the decoder's answer is none"):
        await examine(source, Recognition(WAV), decoder=Lying(), limits=LIMITS)
