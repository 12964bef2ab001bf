"""``python -m domain_adapt`` and ``accelerate launch -m domain_adapt``."""

from domain_adapt.cli import main

if __name__ == "__main__":
    main()
