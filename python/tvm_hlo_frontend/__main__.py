"""python -m tvm_hlo_frontend: the command line."""

from .cli import main

main(prog_name="python -m tvm_hlo_frontend")
