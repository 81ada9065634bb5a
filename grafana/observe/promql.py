"""Which metrics an expression reads. Not a parser: enough for the expressions in this repository, and tested."""

import re

STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
BRACES = re.compile(r"\{[^{}]*\}")
RANGES = re.compile(r"\[[^\]]*\]")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
NAMES = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}
SUFFIXES = ("_bucket", "_sum", "_count")


def names(expression: str) -> set[str]:
    """The series that the expression reads, as they are named in Prometheus."""
    text = STRINGS.sub("", expression)
    for noise in (BRACES, RANGES, GROUPING):
        text = noise.sub(" ", text)
    return {name for name in NAMES.findall(text) if name not in KEYWORDS}


def family(name: str, histograms: set[str]) -> str:
    """The metric that a series belongs to: a histogram's parts are its own."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in histograms:
            return name.removesuffix(suffix)
    return name
