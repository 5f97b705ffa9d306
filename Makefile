# Every command of the repository. The logic is in deploy/native/; `make` alone lists the commands.
PYTHON ?= python3
NATIVE := $(PYTHON) deploy/native/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help demo stop scale restart status logs doctor engines load compose-up compose-down setup test check fmt clean
.PHONY: distclean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 14

demo: ## start everything natively, without Docker, and prove it with one request
	@$(NATIVE) demo

stop: ## stop what runs, whatever state it is in
	@$(NATIVE) stop

scale: ## more or fewer nodes of what runs; TO="service1=3 gateway=2"
	@$(NATIVE) scale $(TO)

restart: ## every node, one after the other, without a failed request; NODE="service1-2" for some
	@$(NATIVE) restart $(NODE)

status: ## the programs: state, pid, uptime, port, ready or why not
	@$(NATIVE) status

logs: ## follow the logs; NODE=service1-2 for one program, FOLLOW=0 to stop at the end
	@NODE=$(NODE) FOLLOW=$(FOLLOW) $(NATIVE) logs

doctor: ## what was found, what fits, what is missing and the line that gets it
	@$(NATIVE) doctor

engines: ## get every engine that can be had natively into .tools/
	@$(NATIVE) engines

load: ## locust against the running stack; SHAPE=steady|ramp|spike|chaos RATE=20 TIME=60s, WEB=1 for its page
	@SHAPE="$(SHAPE)" USERS="$(USERS)" RATE="$(RATE)" TIME="$(TIME)" SEED="$(SEED)" SAMPLE="$(SAMPLE)" WEB="$(WEB)" \
	P95_MS="$(P95_MS)" FAIL_RATIO="$(FAIL_RATIO)" MIN_RATE="$(MIN_RATE)" HOLES="$(HOLES)" REPORT="$(REPORT)" $(NATIVE) load

compose-up: ## the whole stack in containers, with Grafana, proved by one request; CAROUSEL_STORE=mongodb, ARGS="--scale service1=3"
	@$(NATIVE) compose-up $(ARGS)

compose-down: ## stop the containers; ARGS=--volumes forgets what they kept
	@$(NATIVE) compose-down $(ARGS)

setup: ## make .venv with everything for development
	@$(NATIVE) setup

test: ## set up what it needs and run all tests, the end-to-end ones against real engines; ARGS="-k ring"
	@$(NATIVE) test $(ARGS)

check: ## format, lint, types, import rules, fast tests
	@$(NATIVE) check

fmt: ## format the code and repair what the linter can
	@$(NATIVE) fmt

clean: ## stop, and remove .run (data, logs, secrets)
	@$(NATIVE) clean

distclean: ## clean, and remove .tools and .venv
	@$(NATIVE) distclean
