"""Cousins (tier T2): real layouts, matching furniture, human text, real poses. Never ScanNet or SQA3D results."""
