"""Makes the tables straight from the models, without Alembic, as the first deployments of Pegasus did."""

from commands.init_db import init_db
from commands.script import DRY_RUN, run_script

if __name__ == "__main__":
    run_script(init_db, DRY_RUN)
