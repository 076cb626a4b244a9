#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs onnxruntime-node, the reference that exported models are compared with, into a folder
# outside the repository; does nothing when it is there.  Prints the folder.
#
#     tools/setup_onnxruntime.sh [FOLDER]     FOLDER, or $LIMN_ONNXRUNTIME, or ~/.cache/limn/onnxruntime
#
# Its install script only fetches libraries for graphics cards, so scripts are not run.
set -eu
folder=${1:-${LIMN_ONNXRUNTIME:-${XDG_CACHE_HOME:-$HOME/.cache}/limn/onnxruntime}}
version=1.20.1

if [ ! -f "$folder/node_modules/onnxruntime-node/package.json" ]; then
    command -v npm >/dev/null || { echo "setup_onnxruntime: npm is not installed" >&2; exit 1; }
    mkdir -p "$folder"
    echo "setup_onnxruntime: onnxruntime-node $version into $folder" >&2
    npm install --ignore-scripts --no-audit --no-fund --no-save --prefix "$folder" \
        "onnxruntime-node@$version" >&2
fi
echo "$folder"
