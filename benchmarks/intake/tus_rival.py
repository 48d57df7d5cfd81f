"""tuspyserver as its documentation shows it, in an environment of its own (.venv-rivals)."""

import os

from fastapi import FastAPI
from tuspyserver import create_tus_router  # type: ignore[import-not-found]  # not installed where types are checked

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=os.environ["FOLDER"]))
