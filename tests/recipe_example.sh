#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the first block of C in a page: the recipe that docs/recipes.md shows, to be compiled.
#
#     recipe_example.sh docs/recipes.md
exec sed -n '/^```c$/,/^```$/{/^```/d;p}' "$1"
