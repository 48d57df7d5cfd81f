"""These tests run by `make test-whisper`, which installs what they need; elsewhere there is nothing to collect."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("faster_whisper") else ["test_*.py"]
