"""How a result is shown: terminal table, JSON lines, CSV, and the Python API. Each face is one file."""
