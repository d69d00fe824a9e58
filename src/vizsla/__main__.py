"""`python -m vizsla`: the command line, where its script is not on the path."""

from vizsla.cli.main import main

if __name__ == "__main__":  # workers that are spawned import this module, too
    main()
