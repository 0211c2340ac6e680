"""Export to ONNX: graphs are written node by node from the equations, never traced, and proven before they are kept."""

from recurra.exporting.files import Exported, export

__all__ = ["Exported", "export"]
