"""What schemas become elsewhere: Arrow, JSON Schema, pydantic models, type hints."""
