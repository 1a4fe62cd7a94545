# Everything here is short for an ansible-playbook call that you can type yourself.

CLOUD ?= standalone
# Another cloud: CLOUD=multinode, or a file of your own: CLOUD_FILE=/etc/ozone/cloud.yml
CLOUD_FILE ?= inventory/$(CLOUD)/cloud.yml
# More arguments for ansible-playbook: make deploy ARGS='--check --diff'
ARGS ?=
# One role only, for molecule: make molecule s=keystone
s ?=
PYTHON ?= /usr/bin/python3

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8
runtime := .ansible/venv-runtime/bin
dev := .ansible/venv-dev/bin
playbook = PATH="$(CURDIR)/$(runtime):$$PATH" $(runtime)/ansible-playbook -i $(CLOUD_FILE)
# Checks see the tools of the development environment first.
check = PATH="$(CURDIR)/$(dev):$$PATH"

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^## / {print "\n" substr($$0, 4)} /^[a-z0-9_-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile
	@printf '\n%s\n' "CONFIRM: destroys. It only says what would go, until ARGS has -e ozone_confirm=true, too."
	@printf '%s\n' "CLOUD=standalone is the default; others: CLOUD=multinode, CLOUD_FILE=<your own cloud.yml>."

## A cloud

cloud: debian root setup ## From nothing to a running cloud: set-up, lab, images, deploy, smoke; prints how to log in
	@$(playbook) ozone.openstack.cloud $(ARGS)

undercloud: debian root setup ## From nothing to an Ironic that can provision machines: lab, image, deploy, validate
	@$(playbook) ozone.openstack.lab ozone.openstack.images ozone.openstack.undercloud $(ARGS)

cloud-down: root setup ## Remove the lab with its nodes, data and networks; CONFIRM
	@$(playbook) ozone.openstack.lab_down $(ARGS)

secret enrol inspect provision rebuild unprovision allocate deallocate images_publish: setup
	@$(playbook) ozone.openstack.$@ $(ARGS)

secret: ## Write a secret that only you know, and that is asked for: ARGS='-e ozone_secret=bmc_password'
enrol: ## Tell Ironic of the machines of cloud.yml, and check their BMCs; some of them: ARGS='-e ozone_nodes=bm1,bm2'
inspect: ## Look into machines, and compare with what cloud.yml expects
provision: ## Give machines their systems, as far as they have none
rebuild: ## Write the image anew, disks to preserve stay: ARGS='-e ozone_nodes=bm1'; CONFIRM
unprovision: ## Wipe machines that have left the cloud: ARGS='-e ozone_nodes=bm1'; CONFIRM
allocate: ## Give names the machines that they ask for in cloud.yml, of those that are offered
deallocate: ## Take the machine back from a name that has left cloud.yml: ARGS='-e ozone_name=gpu1'; CONFIRM
images_publish: ## Build the disk images of bare metal, and send them to the image store of every host with Ironic

plan network deploy upgrade validate smoke rollback scale_down lab images: root setup
	@$(playbook) ozone.openstack.$@ $(ARGS)

addresses: setup ## Record the addresses of new nodes beside cloud.yml, to be committed with it
	@$(playbook) ozone.openstack.addresses $(ARGS)

plan: ## Show what deploy would change, and where
network: ## Bring the networks of the nodes to what cloud.yml says; a node that cannot be reached goes back
deploy: ## Bring the cloud to what its cloud.yml says
upgrade: ## Bring the cloud to the release that its cloud.yml says, service by service
validate: ## Prove that the cloud works, without changing anything
smoke: ## Do what a user does: boot an instance, reach it, remove it
rollback: ## Return a service to its previous generation: ARGS='-e ozone_service=NAME'
scale_down: ## Take the services off nodes, also off dead ones: ARGS='-e ozone_nodes=compute2'; CONFIRM
lab: ## Start the nodes of the cloud as containers on this computer
images: ## Build the images that are missing

credentials: root setup ## Write the clouds.yaml that openstack reads (cloud "ozone"), and print its path alone
	@out=$$($(playbook) ozone.openstack.credentials 2>&1) || { printf '%s\n' "$$out" >&2; exit 1; }; \
	printf '%s\n' "$$out" | grep -m 1 '^/.*/clouds\.yaml$$'

## Set-up

setup: ## Python environment from requirements/runtime.lock, and this clone as a collection
	@$(PYTHON) requirements/setup.py runtime

debian: ## Debian packages of requirements/debian.txt that are missing
debian-machines: ## Debian packages of requirements/debian-machines.txt that are missing
debian-baremetal: ## Debian packages of requirements/debian-baremetal.txt that are missing
debian debian-machines debian-baremetal:
	@packages=$$(sed 's/#.*//' requirements/$@.txt | xargs); dpkg -s $$packages >/dev/null 2>&1 \
	|| { echo "$@: installing what is missing of: $$packages"; apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$packages; }

locks: setup ## Resolve the lock files anew: our own, and those of the releases
	@$(PYTHON) requirements/setup.py lock
	@$(playbook) ozone.openstack.locks $(ARGS)

option-data: root setup ## Build the images of all releases, and write down which options they know
	@$(playbook) ozone.openstack.option_data $(ARGS)

## Checks, from cheap to dear

dev: debian setup
	@$(PYTHON) requirements/setup.py dev

lint: dev ## ruff, mypy, ansible-lint, galaxy build
	@$(check) python tests/run.py lint

unit: dev ## Unit tests: make unit ARGS=tests/unit/cloud
	@$(check) python -m pytest -q $(or $(ARGS),tests/unit)

structure: dev ## Rules that every file of the tree keeps
	@$(check) python -m pytest -q tests/structure $(ARGS)

molecule: dev root ## Every role on one lab node; one role: s=ROLE
	@$(check) molecule test $(if $(s),-s $(s),--all) $(ARGS)

e2e: dev root ## A whole cloud, used as a user does
	@$(check) python -m pytest tests/e2e --ignore=tests/e2e/test_upgrade.py --ignore=tests/e2e/test_ipv6.py --ignore=tests/e2e/test_odd_secrets.py $(ARGS)

test-upgrade: dev root ## A cloud with an instance goes from each older release to the newest one
	@$(check) python -m pytest -s tests/e2e/test_upgrade.py $(ARGS)

test-ipv6: dev root ## A cloud without IPv4 addresses, with instances on two nodes
	@$(check) python -m pytest tests/e2e/test_ipv6.py $(ARGS)

faults: dev root ## Break on purpose what breaks by itself
	@$(check) python -m pytest tests/faults $(ARGS)

test-fleet: dev ## Fleets of nodes on a real Ironic with fake hardware
	@$(check) python -m pytest tests/fleet -n 2 --dist worksteal $(ARGS)

test-network: dev debian-machines root ## Break the network of emulated machines, and see them come back
	@$(check) python -m pytest tests/network -v -n 2 --dist worksteal $(ARGS)

test-baremetal: dev debian-baremetal root ## Deploy emulated machines by their BMCs, and break what can break there
	@$(PYTHON) requirements/setup.py bmc
	@$(check) python -m pytest tests/baremetal $(ARGS)

test-chain: dev debian-baremetal root ## Let a machine without a system become a compute node of a cloud, and leave again
	@$(PYTHON) requirements/setup.py bmc
	@$(check) python -m pytest tests/chain -v -s $(ARGS)

demo-dead-nic: dev debian-machines root ## Watch what a dead NIC does to a node, and a change that cuts it off
	@$(check) python tests/lab/demo_dead_nic.py

test: dev root ## All of it, with time limits; ends with "N passed, N failed"
	@$(check) python tests/run.py $(ARGS)

bench: dev root ## Measure what we promise, as JSON
	@$(check) CLOUD_FILE=$(CLOUD_FILE) python bench/run.py $(ARGS)

## Documentation

docs: dev ## Write role READMEs and the reference from the specs
	@$(check) python docs/generate.py

docs-check: dev ## Fail when they are out of date
	@$(check) python docs/generate.py --check

changelog: dev ## Turn changelogs/fragments into the changelog of the version in galaxy.yml
	@$(check) antsibull-changelog release

.PHONY: secret enrol inspect provision rebuild unprovision allocate deallocate addresses images_publish upgrade scale_down
.PHONY: cloud undercloud cloud-down plan network deploy validate smoke rollback lab images credentials setup debian debian-machines \
	debian-baremetal locks option-data dev lint unit structure molecule e2e test-upgrade test-ipv6 faults test-fleet test-network test-baremetal test-chain demo-dead-nic test bench docs docs-check changelog root

root:
	@[ "$$(id -u)" = 0 ] || { echo "This target makes networks, mounts and containers: run it as root (sudo make ...)." >&2; exit 1; }
