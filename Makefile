# SPDX-License-Identifier: Apache-2.0
#
# A small face in front of meson.  Each target first installs the packages that it needs and lacks.
BUILD = build
PREFIX = /usr/local
# Options of `meson setup`, for a folder that is not there yet.
SETUP =

.PHONY: build configured demo demo-train check toy bench size install clean

build: configured
	@ninja -C $(BUILD)

configured:
	@tools/setup build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --prefix=$(PREFIX) $(SETUP)

# Colours 24 line drawings, with and without touches of colour, with the model in models/lineart.
# The demos build what they use; the tests, a third of everything, wait for `build`.
demo: configured
	@ninja -C $(BUILD) limn tools/sheet
	@tools/demo.sh $(BUILD)/limn $(BUILD)/tools/sheet

# Trains a small network on pairs that it draws by itself and uses it: two minutes.
demo-train: configured
	@ninja -C $(BUILD) limn tools/draw_shapes
	@tools/demo_train.sh $(BUILD)/limn $(BUILD)/tools/draw_shapes

check:
	@tools/setup build test
	@tools/check.sh $(BUILD) $(SETUP)

# Recipes without pairs on pictures that can be measured; minutes, so no part of check.
toy: build
	@tests/toy.sh $(BUILD)/limn $(BUILD)/tests/toy_tool

# limn and its peers by turns; the peers live outside the repository (bench/setup_peers.sh).
bench: build
	@tools/setup bench
	@bench/setup_peers.sh
	@bench/compare.py --all

# Lines a folder: a number to look at in every review.
size:
	@tools/size.sh

install: build
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@meson install -C $(BUILD)

clean:
	@rm -rf $(BUILD)
