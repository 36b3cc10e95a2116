# What the scripts of this folder share: sourced, never run.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() {
  say "$*"
  exit 2
}

# Says what to install: need COMMAND PACKAGE.
need() {
  command -v "$1" >/dev/null 2>&1 \
    || fail "$1 is missing: install the package $2 (Debian, Ubuntu: sudo apt-get install $2)"
}

need_engine() {
  need docker docker.io
  docker version >/dev/null 2>&1 \
    || fail "no Docker engine answers: start dockerd, or let docker/engine do so while a command runs"
}

# A folder for this run, in $folder, that goes with it.
make_folder() {
  folder=$(mktemp -d)
  trap 'rm -rf --one-file-system "$folder"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Waits until this script runs nowhere else in this clone: whoever waited finds the work done. Held
# until this shell ends.
take_turns() {
  exec 9<"$0"
  if command -v flock >/dev/null 2>&1; then flock 9; fi
}

# The proxy that apt uses here, if any.
apt_proxy() {
  command -v apt-config >/dev/null 2>&1 || return 0
  apt-config dump | sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p'
}

# Builds an image: build_image NAME CONTEXT [OPTION...], in the folder of this run. With the network
# and the proxy of this host, so that apt reaches in there what it reaches here; neither is kept.
build_image() {
  name=$1
  context=$2
  shift 2
  proxy=${http_proxy:-$(apt_proxy)}
  docker build --network host ${proxy:+--build-arg "http_proxy=$proxy"} \
    ${https_proxy:+--build-arg "https_proxy=$https_proxy"} ${no_proxy:+--build-arg "no_proxy=$no_proxy"} \
    "$@" -t "$name" "$context" >"$folder/build.log" 2>&1 || {
    tail -n 15 "$folder/build.log" >&2
    fail "could not build $name"
  }
}
