"""The tasks: each one turns a kind of user's data into a model with scores."""
