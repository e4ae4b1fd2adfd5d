"""What is measured on a classifier before and after, and how arms are contrasted over seeds."""
