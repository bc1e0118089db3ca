"""What data a model takes and answers, as data: types, fields, schemas, and what they are made from."""
