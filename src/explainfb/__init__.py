"""explainfb: human feedback on explanations."""
