"""The storage that the settings name, the same for the server and for the commands."""

from core.settings import ROOT, Settings
from storage.local import LocalStorage


def open_storage(settings: Settings) -> LocalStorage:
    """Old deployments were run from the project's root or from `backend/`, and their rows count from there."""
    return LocalStorage(settings.storage_root, old_roots=(ROOT, ROOT / "backend"))
