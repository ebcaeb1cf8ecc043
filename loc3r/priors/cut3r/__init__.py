"""CUT3R's camera tokens: our own network (``network``), its weights (``weights``) and the prior (``prior``)."""

from loc3r.priors.cut3r.network import Cut3r, Cut3rConfig, Cut3rState

__all__ = ["Cut3r", "Cut3rConfig", "Cut3rState"]
