"""What callers pass, taken apart: tables of any library, dicts, lists, arrays."""
