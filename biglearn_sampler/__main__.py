"""`python -m biglearn_sampler`: the command line of the Python that runs it, where `biglearn` is not on the path."""

from biglearn_sampler.cli import program

if __name__ == "__main__":
    program()
