"""`python -m train.ablate`: the paper's Tables 1, 3 and 4 and Figs. 5 to 7 with our networks."""
