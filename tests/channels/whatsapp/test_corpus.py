"""Other people's payloads, read when they lie beside the project: nothing lost, no error."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from frontdesk import Notice, Unparsed
from plugins.whatsapp.wire import parse_webhook

ROOT: Final = Path(__file__).parents[3]
CORPUS: Final = ROOT.parent / "shared" / "fixtures" / "whatsapp"
PAYLOADS: Final = sorted(CORPUS.glob("*.json"))
# Bodies that no Cloud API sends: kept as unparsed, and why.
NOT_READ: Final = {
    "chatwoot_empty_entry": "`entry` is an object, not a list",
    "chatwoot_onprem_contacts_from_mismatch": "on-premises shape, without an envelope",
    "chatwoot_onprem_ephemeral": "on-premises shape, without an envelope",
}

pytestmark = pytest.mark.skipif(not PAYLOADS, reason="the corpus is not beside the project")


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_payload_yields_something(path: Path) -> None:
    if path.stem in NOT_READ:
        with pytest.raises(Unparsed):
            parse_webhook(path.read_bytes())
        return
    items = parse_webhook(path.read_bytes())
    assert items
    unread = [item for item in items if isinstance(item, Notice) and item.kind == "unreadable"]
    assert unread == []


def test_the_table_names_files_of_the_corpus() -> None:
    assert set(NOT_READ) <= {path.stem for path in PAYLOADS}
