"""The paper's equations as torch modules and functions, and the published networks that its losses use."""
