"""Writes pytorch_model.bin as torch.save does, without torch, and damaged ones on request."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

for module in ("torch", "torch._utils"):
    sys.modules[module] = types.ModuleType(module)


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


class FloatStorage:
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
FloatStorage.__module__ = "torch"
sys.modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2
sys.modules["torch"].FloatStorage = FloatStorage


class Storage:
    def __init__(self, key, elements):
        self.key, self.elements = key, elements


class Tensor:
    def __init__(self, storage, offset, shape):
        strides = []
        step = 1
        for extent in reversed(shape):
            strides.insert(0, step)
            step *= extent
        self.arguments = (storage, offset, tuple(shape), tuple(strides), False, OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


class Call:
    def __reduce__(self):
        return print, ("a call",)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", FloatStorage, value.key, "cpu", value.elements)
        return None


def write(path, header, data, call=False, protocol=2, compressed=False, shift=0, byteorder="little", truncate=0):
    """float32 tensors of a safetensors header, each with a storage of its own."""
    tensors = OrderedDict()
    storages = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        key = str(len(storages))
        storages[key] = bytes(data[begin:end])
        tensors[name] = Tensor(Storage(key, (end - begin) // 4), shift, entry["shape"])
    if call:
        tensors["call"] = Call()
    text = io.BytesIO()
    Pickler(text, protocol=protocol).dump(tensors)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", text.getvalue())
        archive.writestr("archive/byteorder", byteorder)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
    if truncate:
        path.write_bytes(path.read_bytes()[:-truncate])
