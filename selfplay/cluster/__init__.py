"""Ray: found or started, and pools of actors whose every wait has a deadline."""
