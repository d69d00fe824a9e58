"""Fuzzing of all that reads what others wrote: `families` says what must hold, `target` is what atheris runs."""
