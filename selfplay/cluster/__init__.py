"""Ray: found or started; pools of actors, and calls into code of others, with deadlines."""
