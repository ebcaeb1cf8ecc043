"""The layouts of scenes on disk, one file each. To add one, write its class here and name it in ``format.py``."""
