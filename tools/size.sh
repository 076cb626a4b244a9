#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lines of code a folder, and every source file that has outgrown 600 lines: a small core is a habit.
cd "$(dirname "$0")/.." || exit 2
for folder in include src/* tests bench tools; do
    [ -d "$folder" ] || continue
    find "$folder" -type f \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name setup \) \
        -exec cat {} + | awk -v folder="$folder" 'END { if (NR) printf "%7d  %s\n", NR, folder }'
done
find include src -name '*.[ch]' -exec cat {} + | awk 'END { printf "%7d  include and src together\n", NR }'
find include src tests -name '*.[ch]' -exec awk 'END { if (NR > 600) printf "%7d  %s is over 600 lines\n", NR, FILENAME }' {} \;
