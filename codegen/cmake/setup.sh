# Sourced by bench/run and test/run: installs what a build needs and builds.
# All comes from Debian's own packages; nothing touches the network when they
# are installed already. CUDA is optional: CMake finds ptxas under CUDA_HOME,
# /usr/local/cuda or PATH, and the driver is loaded when a program runs.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

packages=(
  cmake ninja-build ccache
  clang-22 lld-22 libc6-dev libstdc++-12-dev       # compiler and linker
  llvm-22-dev libmlir-22-dev mlir-22-tools         # what is linked; mlir-tblgen
  zlib1g-dev libzstd-dev                           # what LLVM's CMake files name
  llvm-22-tools libgtest-dev clang-format-22       # lit, FileCheck; unit tests; format
)

installPackages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "no dpkg here: expecting the equivalents of: ${packages[*]}" >&2
    return
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    return
  fi
  echo "installing ${missing[*]}" >&2
  local asRoot=()
  if ((EUID != 0)); then
    asRoot=(sudo)
  fi
  # A foreign source that does not answer need not stop Debian's own.
  "${asRoot[@]}" apt-get -q update </dev/null >&2 || echo "apt-get update failed; going on" >&2
  "${asRoot[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
    --no-install-recommends "${missing[@]}" </dev/null >&2
}

# build TARGET...: configures the preset `dev` and builds the targets.
build() {
  (cd "$root" && cmake --preset dev && cmake --build --preset dev --target "$@") >&2
}
