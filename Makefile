# make quickstart: train a language model on chess, with a report, from nothing.
# make test:       every check, from nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup test-tools quickstart test lint fmt

BIN := .venv/bin
RUN_NAME := quickstart-$(shell date +%Y%m%d-%H%M%S)

# Handed to scripts/setup.sh; set them on the command line: make setup TORCH_SPEC=torch==2.14.0
export PYTHON TORCH_SPEC TORCH_PIP_ARGS

help:
	@echo "make quickstart   set up, then train on chess for about 15 minutes and write a report"
	@echo "make test         set up, then run every check: ruff, mypy, import contracts, pytest"
	@echo "make setup        make .venv (and install Stockfish through apt-get when it is missing)"
	@echo "make lint         the checks without the tests"
	@echo "make fmt          format the code and mend what ruff can mend"

setup:
	@scripts/setup.sh

test-tools: setup
	@scripts/setup.sh test-tools

quickstart: setup
	@$(BIN)/selfplay run configs/quickstart.yaml --name $(RUN_NAME)
	@echo "Report: $(CURDIR)/runs/$(RUN_NAME)/report.html"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint test-tools
	$(BIN)/python scripts/test.py

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
