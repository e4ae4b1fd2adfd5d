"""Which few explanations to look at, so that they tell the most of a classifier: SP-LIME's submodular pick."""
