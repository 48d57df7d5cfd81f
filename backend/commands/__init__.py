"""What a person does with Pegasus on the command line, besides serving."""

import core.installation  # before what it checks
import core.observability.without_rich  # noqa: F401 - before structlog
