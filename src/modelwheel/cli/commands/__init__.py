"""The commands, in files by what they need: none pays for another's imports."""
