"""Keep the notebooks in the house anatomy: build, sync, check, index. (Being written.)"""
