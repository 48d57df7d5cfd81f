"""What a person does with Pegasus on the command line, besides serving."""

import core.installation  # noqa: F401 - before what it checks
