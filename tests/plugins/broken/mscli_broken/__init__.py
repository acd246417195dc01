"""A package whose entry points fail, each in its way."""

import mscli

JUNK = "thing"
HOMELESS = mscli.SinkRow("homeless", "", "mscli_broken.nowhere", "Nobody", video=True)
