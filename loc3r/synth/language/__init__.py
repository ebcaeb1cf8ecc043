"""Situations and questions about a furnished room, with answers computed from its geometry."""

from loc3r.synth.language.describe import blind_guess_rates, describe

__all__ = ["blind_guess_rates", "describe"]
