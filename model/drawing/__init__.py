"""The paper's figures: of which corpora and networks, which frames they show, and how they are drawn."""
