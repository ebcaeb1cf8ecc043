"""``python -m loc3r`` is ``loc3r``."""

from loc3r.cli import main

if __name__ == "__main__":
    main()
