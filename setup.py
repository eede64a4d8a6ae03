"""Build of tvm_hlo_frontend; all metadata is in pyproject.toml."""

from setuptools import setup

setup()
