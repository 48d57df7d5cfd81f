"""The metrics that are documented, drawn and alerted on are the metrics that there are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from core.settings import ROOT
from tests.api.conftest import Upload
from tests.watching.test_metrics import parsed

DRAWN = {name: (ROOT / "deploy" / name).read_text() for name in ("grafana-dashboard.json", "prometheus-alerts.yml")}
SUFFIX = re.compile(r"_(total|bucket|sum|count)$")
NAME = re.compile(r"pegasus_[a-z0-9_]+")


async def told(client: httpx.AsyncClient) -> dict[str, str]:
    """Every metric of a real scrape with its type, under the name by which it is asked for."""
    return {
        metric.name + ("_total" if metric.type == "counter" else ""): metric.type
        for metric in parsed((await client.get("/metrics")).text).values()
    }


async def test_every_metric_is_documented(client: httpx.AsyncClient, upload: Upload) -> None:
    """docs/operations.md has a row for each metric of a scrape, and none for others, with the labels that it has."""
    await upload()
    text = (ROOT / "docs/operations.md").read_text()
    rows = dict(re.findall(r"^\| `(pegasus_\w+)` \| ([a-z, ]*?) ?\| ", text, flags=re.MULTILINE))
    found = await told(client) | {"pegasus_sweep_age_seconds": "gauge"}  # there once somebody has swept
    assert sorted(rows) == sorted(found)
    for metric in parsed((await client.get("/metrics")).text).values():
        labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
        name = metric.name + ("_total" if metric.type == "counter" else "")
        assert labels <= set(rows[name].split(", ")), name


@pytest.mark.parametrize("name", DRAWN)
async def test_every_query_names_metrics_that_there_are(name: str, client: httpx.AsyncClient, upload: Upload) -> None:
    """Each series that the dashboard draws or a rule looks at is of a metric of a real scrape, and of its type."""
    await upload()
    kinds = await told(client) | {"pegasus_sweep_age_seconds": "gauge"}
    series = set(NAME.findall(DRAWN[name]))
    assert len(series) > 5
    for one in series:
        if one not in kinds:
            assert kinds.get(SUFFIX.sub("", one)) == "histogram", one


def test_the_dashboard_is_whole() -> None:
    """The dashboard is JSON as Grafana imports it: each panel has its own place and number, and asks something."""
    dashboard = json.loads(DRAWN["grafana-dashboard.json"])
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(
        target["expr"].count("(") == target["expr"].count(")") for panel in panels for target in panel["targets"]
    )


def test_the_service_is_one(tmp_path: Path) -> None:
    """The unit for systemd is read without complaint, and is confined to the folder that it keeps its data in."""
    text = (ROOT / "deploy/pegasus.service").read_text()
    lines = re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE)
    settings = dict(lines)
    assert (settings["ProtectSystem"], settings["StateDirectory"], settings["User"]) == ("strict", "pegasus", "pegasus")
    assert "DATA_PATH=/var/lib/pegasus" in dict.fromkeys(value for name, value in lines if name == "Environment")
    assert settings["NoNewPrivileges"] == "yes"
    assert settings["CapabilityBoundingSet"] == ""
    calls = " ".join(value for name, value in lines if name == "SystemCallFilter")
    assert {"@system-service", "landlock_create_ruleset", "landlock_restrict_self"} <= set(calls.split())
    assert settings["SystemCallErrorNumber"] == "EPERM"  # a call that is missing shows in /health, and kills nobody
    analyze = shutil.which("systemd-analyze")
    if analyze:  # where there is no systemd, nobody needs the unit
        unit = tmp_path / "pegasus.service"
        unit.write_text(text.replace("/opt/pegasus/.venv/bin/python", sys.executable))
        told = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
        assert (told.returncode, told.stdout + told.stderr) == (0, "")
