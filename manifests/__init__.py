"""The tables that builds read. A package, so that a wheel holds them: `importlib.resources.files("manifests")`."""
