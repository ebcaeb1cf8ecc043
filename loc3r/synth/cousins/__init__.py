"""Real layouts with matching furniture, never called results on the real scans.

Cousins (tier T2) have human text and real poses; layouts (tier T1) are described in our own words.
"""
