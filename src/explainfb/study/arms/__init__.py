"""The arms beside feedback: what is done in its place.

`ARMS` has them by name, each with all that is said of it, and takes further ones: `ARMS["mine"] = arm`. All but
`no_shortcut`, which is trained anew, start from the classifier before any feedback and have as many rounds. Those that
ask nobody take every step of these rounds. Those that ask learn a reward, and follow it in the rounds in which it
predicts answers. A coin's is hardly ever followed, so `random_answers` normally ends where it began.
"""
