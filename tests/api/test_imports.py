"""What a start imports: only what a server of these settings uses."""

import json
import subprocess
import sys
from pathlib import Path

from starlette.routing import Route

from app.application import create_app
from core.settings import Settings

BACKEND = Path(__file__).resolve().parents[2] / "backend"
UNUSED = {"httpcore", "limits", "pygments", "rich"}
PROGRAM = """
import gc, json, sys
import main
with main.paused(), main.hidden(*main.UNUSED):
    import app.serving
loaded = [name for name, module in sys.modules.items() if module is not None]
print(json.dumps({"loaded": loaded, "collects": gc.isenabled()}))
"""


def test_a_start_imports_only_what_it_uses() -> None:
    """No HTTP client, no rate limits, nothing that colours; and the garbage collector is on again."""
    completed = subprocess.run([sys.executable, "-c", PROGRAM], cwd=BACKEND, check=True, capture_output=True, text=True)
    start = json.loads(completed.stdout)
    assert not UNUSED & set(start["loaded"])
    assert start["collects"]


def test_each_route_is_analysed_once(settings: Settings) -> None:
    """The application has the routes themselves: an included router would analyse them again with the first request."""
    assert all(isinstance(route, Route) for route in create_app(settings).routes)
