"""`python -P -m journeys_engine` is the command `journeys`; -P leaves the current folder out."""

from journeys_engine import main

if __name__ == "__main__":
    main()
