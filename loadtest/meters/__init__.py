"""What programs that come and go tell Prometheus: a load generator, `verify`, and whoever breaks something on purpose.

A load generator is asked (`serve`), as it runs for as long as a question needs an answer. The others leave their last
word at the Pushgateway.
"""

from meters.faults import fault
from meters.load import LoadMeter
from meters.verdict import tell

__all__ = ["LoadMeter", "fault", "tell"]
