"""Short clips that people compare, of anything that moves: agents, robots, drawings (Christiano et al. 2017).

`Clip` is what is shown, `ClipStudy` the folder and the database in which people are asked. The annotators' app serves
it as it serves a study of explanations; what is learned from the answers is the caller's own.
"""
