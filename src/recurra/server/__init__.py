"""Models in service over HTTP: ``recurra serve``. FastAPI is imported by :mod:`recurra.server.app` only."""
