"""The document says what the plan and the simulations say now."""

from tidemill_scale.document import files


def test_document_and_picture_are_as_they_are_made() -> None:
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: make it anew with python -m tidemill_scale.document"
