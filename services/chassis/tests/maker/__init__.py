"""The smallest service there can be, for the tests of the chassis: it notes what it hears of itself."""
