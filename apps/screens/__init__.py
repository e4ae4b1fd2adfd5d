"""The screens of the annotators' app: widgets only; what they show and store is decided in `explainfb`."""
