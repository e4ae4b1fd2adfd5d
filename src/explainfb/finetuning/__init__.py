"""How a classifier follows a reward, and what that is compared with."""
