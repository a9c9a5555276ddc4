"""Render the model card NAME.md of every network from its NAME.json.

python -m tools.docs.render_cards            write data/weights/*.md
python -m tools.docs.render_cards --check    change nothing; fail if a card is out of date
"""

import sys
from pathlib import Path

from mssnet_edu.files import write_text
from mssnet_edu.models import catalogue

WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "weights"


def main(check: bool = False) -> None:
    """Write the cards that are out of date; with check, only name them, and exit with 1."""
    stale = []
    for path in sorted(WEIGHTS.glob("*.json")):
        text, card = catalogue.card(path.stem, WEIGHTS), path.with_suffix(".md")
        if card.is_file() and card.read_text(encoding="utf-8") == text:
            continue
        stale.append(card.name)
        if not check:
            write_text(card, text)
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}. Run: python -m tools.docs.render_cards")


if __name__ == "__main__":
    main(check="--check" in sys.argv)
