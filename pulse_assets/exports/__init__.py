"""Results in the forms of other libraries: Nixtla's frames, hubs of hubverse, summaries of fev."""
