"""Who answers and what is asked: simulated annotators, queries, gold comparisons, gathering, agreement."""
