#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Sets up the programs that limn is measured against: PyTorch and onnxruntime, as current as the
# Python package index has them, in a virtual environment outside the repository.
#
#     bench/setup_peers.sh [FOLDER]      FOLDER, or $LIMN_PEERS, or /opt/limn-peers
#
# A smaller PyTorch without GPU libraries does the same work here; LIMN_TORCH_INDEX may name an index
# that has one (it is given to pip as --index-url for torch alone).
set -eu
folder=${1:-${LIMN_PEERS:-/opt/limn-peers}}
python=${PYTHON:-python3}

if [ ! -x "$folder/bin/python" ]; then
    echo "setup_peers: virtual environment in $folder"
    "$python" -m venv "$folder"
fi
have() { "$folder/bin/python" -c "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))" "$@"; }
if ! have torch; then
    echo "setup_peers: torch (the peer for training and inference)"
    "$folder/bin/pip" install --quiet ${LIMN_TORCH_INDEX:+--index-url "$LIMN_TORCH_INDEX"} torch
fi
if ! have onnxruntime onnx onnxscript numpy PIL; then
    echo "setup_peers: onnxruntime (the peer for inference), onnx and onnxscript (the export), numpy, Pillow"
    "$folder/bin/pip" install --quiet onnxruntime onnx onnxscript numpy pillow
fi
"$folder/bin/python" -c 'import torch, onnxruntime; print("setup_peers: torch", torch.__version__, "onnxruntime", onnxruntime.__version__)'
