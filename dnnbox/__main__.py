"""``python -m dnnbox``."""

from dnnbox.cli import main

if __name__ == "__main__":
    main()
