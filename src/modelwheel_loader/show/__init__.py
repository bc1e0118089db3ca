"""What people see: inspection, explanation, HTML, error codes, the command line."""
