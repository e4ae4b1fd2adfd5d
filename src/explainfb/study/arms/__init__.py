"""The arms beside feedback: what is done in its place.

`ARMS` has them by name, each with all that is said of it, and takes further ones: `ARMS["mine"] = arm`. All but
those without the shortcut, which are trained anew, start from the classifier before any feedback, unless RRR is told to
begin with fresh weights, and have as many rounds. Those that
ask nobody take every step of these rounds. Those that ask learn a reward, and follow it in the rounds in which it
predicts answers. A coin's is hardly ever followed, so `random_answers` normally ends where it began.
"""
