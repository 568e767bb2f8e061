"""The gate: when a version becomes champion."""
