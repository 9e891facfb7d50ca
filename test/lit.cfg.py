# How lit runs the tests of this tree: tilewright, FileCheck, not, count and
# split-file are on PATH; the feature `ptxas` says that the CUDA assembler is, the
# feature `fake-driver` that %fake_driver is a CUDA driver that runs nothing.
import os

import lit.formats

config.name = "tilewright"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "gpu"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.binary_dir, "test")

path = [os.path.join(config.binary_dir, "bin"), config.llvm_tools]
if config.ptxas:
    path.append(os.path.dirname(config.ptxas))
    config.available_features.add("ptxas")
fakeDriver = os.path.join(config.test_exec_root, "unit/runtime/libFakeCudaDriver.so")
if os.path.exists(fakeDriver):
    config.available_features.add("fake-driver")
    config.substitutions.append(("%fake_driver", fakeDriver))
config.environment["PATH"] = os.pathsep.join(path + [os.environ["PATH"]])

# Tests neither read nor fill the caches of whoever runs them.
config.environment["XDG_CACHE_HOME"] = os.path.join(config.test_exec_root, "cache")
config.environment["FILECHECK_OPTS"] = "--dump-input-filter=error"
