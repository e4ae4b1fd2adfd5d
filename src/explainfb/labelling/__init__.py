"""What the annotators' app shows to people and does with their answers."""
