"""What people see of bundles, models, schemas and errors."""
