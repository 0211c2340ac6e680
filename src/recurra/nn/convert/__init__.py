"""Weights of other systems as layers of this one: torch's state dicts, Keras 3's files, ONNX graphs.

=========== ====================== ========== ========================= ===============================
system      LSTM                   peepholes  GRU                       bias
=========== ====================== ========== ========================= ===============================
torch, ours i f g o                i f o      r z n, reset after        two
Keras       i f c o, transposed    none       z r h, transposed         one; two of a GRU, reset after
ONNX        i o f c                i o f      z r h, reset before/after two
=========== ====================== ========== ========================= ===============================
"""

from recurra.nn.convert.files import read_layer, save_layer

__all__ = ["read_layer", "save_layer"]
