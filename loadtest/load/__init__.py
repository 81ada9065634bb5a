"""Load tests whose numbers can be trusted: arrivals that wait for nobody, a verdict, a report."""
