"""Export to ONNX: graphs are written node by node from the equations, never traced, and proven before they are kept."""

from importlib.util import find_spec

from recurra.errors import MissingExtraError

if find_spec("onnx") is None or find_spec("onnxruntime") is None:
    raise MissingExtraError("export", "needs the packages onnx and onnxruntime. Install: pip install 'recurra[onnx]'.")

from recurra.exporting.files import Exported, export

__all__ = ["Exported", "export"]
