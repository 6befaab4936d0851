# SPDX-License-Identifier: GPL-2.0-only
# ipmesh: see "make help".  Kbuild (beside this file) is what the kernel reads.

# The guest's kernel for check, demo and shell.
KERNEL	?= 6.1
# The kernel that "make" and "make modules_install" build for.
KDIR	?= /lib/modules/$(shell uname -r)/build
PREFIX	?= /usr
DESTDIR	?=

RUN	:= selftests/vm/run --kernel $(KERNEL)

all: module tools

# O is a folder to build in, for a tree that cannot be written to.
O	?=
HOST_MODULE = scripts/host-module "$(KDIR)" "$(O)"

# Where this machine has no headers of its running kernel (a container, a build
# host), the guest's kernel is the one to build for.
module:
ifneq ($(wildcard $(KDIR)/Makefile),)
	+@$(HOST_MODULE) modules
else
	@scripts/deps build guest
	@set -e; kernel=$$(scripts/fetch-kernel $(KERNEL)); \
	module=$$(scripts/build-module $$kernel); \
	echo "the module for the guest's kernel: $$module/ipmesh.ko"
endif

TOOLS	= $(MAKE) --no-print-directory -C tools $(if $(O),O="$(abspath $(O))/tools") PREFIX=$(PREFIX) DESTDIR="$(DESTDIR)"

tools:
	@scripts/deps build
	@$(TOOLS)

check:
	@selftests/vm/check --kernel $(KERNEL)

# A third of the tests on the newest kernel, another third with each commit; THIRD is 0, 1 or 2.
NEWEST	= 7.3
check-newest:
	@tests=$$(selftests/vm/tests --third $(THIRD)) && TESTS="$$tests" selftests/vm/check --kernel $(NEWEST)

# What no guest runs here: the module for clang's kernels, 32 bit, arm64; the tool with musl.
check-builds:
	@selftests/host/builds $(KERNELS)

# The part of check that needs no guest: sanitizers, fuzzing, the manual.
check-tools:
	@selftests/host/check

check-debug:
	@selftests/vm/check --debug $(if $(filter file,$(origin KERNEL)),,--kernel $(KERNEL))

# Each kernel, one after the other; KERNELS are those.
check-matrix:
	@selftests/vm/matrix $(KERNELS)

# The Debian packages in whole hosts; SUITES are of bookworm, trixie, bookworm-i386.
check-packages:
	@selftests/packages/check $(SUITES)

# MUTANTS is an extended regular expression over the rows of list.tsv.
check-mutants:
	@selftests/mutants/check --kernel $(KERNEL) $(if $(MUTANTS),'$(MUTANTS)')

bench:
	@selftests/bench/bench --kernel $(KERNEL) $(SUITES)

bench-quick:
	@selftests/bench/bench --kernel $(KERNEL) quick

# NODES is the size of the cluster.
bench-apply:
	@$(RUN) --icount --memory 1200 --add selftests -- selftests/bench/apply.sh $(NODES)

bench-show:
	@$(RUN) --icount --memory 1200 --add selftests -- selftests/bench/show.sh

# PEERS is their number.
bench-remove:
	@$(RUN) --memory 2048 --add selftests -- selftests/bench/remove.sh $(PEERS)

# Prefixes that were chosen to meet against random ones.
bench-table:
	@$(RUN) --icount --memory 1200 --add selftests -- selftests/table costs

bench-native:
	@selftests/bench/native --kernel $(KERNEL) $(if $(PEERS),--peers $(PEERS)) $(KINDS)

bench-figures:
	@selftests/bench/bench --kernel $(KERNEL) --write-figures quick

demo:
	@$(RUN) --add selftests -- selftests/demo.sh

shell:
	@$(RUN) --add selftests --shell

regen:
	@scripts/deps regen
	@scripts/regen

lint: ; @scripts/lint shell warnings sparse checkpatch
checkpatch: ; @scripts/lint checkpatch
sparse: ; @scripts/lint sparse

install: modules_install tools
	@$(TOOLS) install

# Its release says where the module goes, also where Kbuild runs no depmod for want of a
# System.map.  Headers bring no key of the kernel's own, so it signs nothing.
release	 = $$(sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' "$(KDIR)/include/generated/utsrelease.h")
unsigned = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)

modules_install:
	@scripts/check-headers "$(KDIR)"
	@$(if $(DESTDIR),,scripts/keep-module)
	+@$(HOST_MODULE) modules_install INSTALL_MOD_PATH="$(DESTDIR)" INSTALL_MOD_DIR=extra $(unsigned)
	@scripts/sign-module "$(DESTDIR)" "$(release)" "$(KDIR)" "$(SIGN_KEY)" "$(SIGN_CERT)"
	@scripts/depmod "$(DESTDIR)" "$(release)"

uninstall:
	@$(TOOLS) uninstall
	@scripts/remove-module "$(DESTDIR)"

# What DKMS, a package and others take.
dkms:
	@scripts/dkms

deb:
	@scripts/deps deb
	@scripts/deb build/deb

dist:
	@scripts/dist build

clean:
	rm -rf build
	$(MAKE) -s -C tools clean
	if [ -f selftests/Makefile ]; then $(MAKE) -s -C selftests clean; fi
	rm -f ipmesh.ko ipmesh.o ipmesh.mod* .*.cmd modules.order Module.symvers .module-common.o
	find module \( -name '*.o' -o -name '.*.cmd' \) -delete

# In the chroot of a user are files of other users of its namespace.
cleancache:
	@dir="$${XDG_CACHE_HOME:-$$HOME/.cache}/ipmesh"; \
	rm -rf "$$dir" 2>/dev/null || unshare --map-root-user --map-auto rm -rf "$$dir"

help:
	@echo 'make                  module and tool, for KDIR or else for the guest'\''s kernel'
	@echo 'make module | tools   one of them'
	@echo 'make check            run the tests in a guest (TESTS="link peer" V=1 JOBS=1 KERNEL=6.1)'
	@echo 'make check-tools      what of it needs no guest: the tool with sanitizers, valgrind, fuzzing (FUZZ_SECONDS=60)'
	@echo 'make check-debug      the same in a guest with KASAN, lockdep, kmemleak and more'
	@echo 'make check-matrix     make check on Linux 5.10, 6.1, 6.12, 7.2 and 7.3 (KERNELS="5.10 host"), into Documentation/kernels.md'
	@echo 'make check-newest     a third of the tests on Linux 7.3, another third with each commit (THIRD=0)'
	@echo 'make check-builds     the module with W=1 by clang, for i386 and arm64, the tool with musl (KERNELS="7.3-llvm musl")'
	@echo 'make check-packages   the Debian packages in whole hosts of Debian 12 and 13 (SUITES=trixie)'
	@echo 'make check-mutants    break the module line by line; each time a test must fail (MUTANTS="tx:")'
	@echo 'make bench            measure every path and its rivals (SUITES="one ends"); 20 minutes'
	@echo 'make bench-quick      the short way: fails when a path takes 1 % more instructions over plain routing'
	@echo 'make bench-apply      time "ipmesh apply" for a cluster of 5000 nodes (NODES=10000)'
	@echo 'make bench-show       what show, metrics, export and top take with 5000 peers'
	@echo 'make bench-remove     how long a device with 60000 peers takes to go (PEERS=10000)'
	@echo 'make bench-table      what a pod CIDR takes to add, find and remove, whatever was chosen'
	@echo 'make bench-native     in nanoseconds, in user-mode Linux, built once (PEERS=10000 KINDS="plain ipmesh")'
	@echo 'make bench-figures    what bench-quick compares with, made anew for this kernel'
	@echo 'make demo             play a Calico cluster of two nodes in a guest'
	@echo 'make shell            a shell in a guest that has the module and the tool'
	@echo 'make regen            generate uapi and netlink tables from uapi/ipmesh.yaml'
	@echo 'make lint             shellcheck, W=1, sparse and checkpatch'
	@echo 'make sparse           sparse over the module'
	@echo 'make checkpatch       checkpatch.pl --strict over the module'
	@echo 'make install          module (KDIR), tool, manual (PREFIX=/usr DESTDIR=)'
	@echo 'make modules_install  the module alone (SIGN_KEY= SIGN_CERT= for Secure Boot)'
	@echo 'make uninstall        remove what install put there'
	@echo 'make dkms             give the module to DKMS, for each kernel to come'
	@echo 'make deb              Debian packages ipmesh-tools and ipmesh-dkms, in build/deb'
	@echo 'make dist             the source as build/ipmesh-VERSION.tar.xz'
	@echo 'make clean            remove what was built here'
	@echo 'make cleancache       remove kernels, root file systems and results in the cache'

.PHONY: all module tools check check-tools check-debug check-mutants bench bench-quick bench-apply \
	bench-show bench-remove bench-native bench-figures \
	bench-table demo shell regen lint checkpatch sparse install modules_install uninstall \
	check-matrix check-newest check-builds check-packages dkms deb dist clean cleancache help
