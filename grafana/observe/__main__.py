"""`python -m observe generate`: write what is generated. `preview`: draw the dashboards without Grafana."""

import argparse
import sys
from pathlib import Path

from observe import preview
from observe.generated import ROOT, files, stale


def main() -> None:
    """Do it."""
    arguments = _parser().parse_args()
    if arguments.command == "generate":
        for path, text in files().items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)
        for file in stale():
            file.unlink()
    else:
        sys.exit(preview.run(arguments.prometheus, arguments.minutes, arguments.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m observe", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="docs/metrics.md, the rule files and the dashboards")
    drawing = commands.add_parser("preview", help="one HTML page, and a PNG for each dashboard")
    drawing.add_argument("--prometheus", metavar="URL", help="(env PROMETHEUS_URL, or the stack named by STACK)")
    drawing.add_argument("--minutes", type=float, default=15, help="how far back (15)")
    drawing.add_argument("--out", type=Path, default=ROOT / "grafana" / "preview", help="a directory (grafana/preview)")
    return parser


if __name__ == "__main__":
    main()
