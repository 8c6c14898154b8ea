# SPDX-License-Identifier: Apache-2.0
# Shared by ./demo, ./check and the scripts: what they need of the system, and the build. Sourced.
# shellcheck shell=bash disable=SC2034

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(
        gcc cmake ninja-build pkg-config librdkafka-dev libpq-dev libcurl4-openssl-dev libavro-dev
        libconfig-dev libjansson-dev libssl-dev zlib1g-dev
)
demo_packages=(postgresql postgresql-client tzdata util-linux)
kafka_packages=(default-jre-headless maven)
check_packages=(libcmocka-dev python3 python3-venv openssl gzip pgbouncer groff-base)
fault_packages=(faketime iproute2)
lint_packages=(binutils git)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# need PACKAGE...: installs what is missing, saying what, once.
need() {
        local missing=() as_root=() installed package
        installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "$@" 2> /dev/null || true)"
        for package in "$@"; do
                [[ $installed == *" installed:$package "* ]] || missing+=("$package")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        if [ "$(id -u)" != 0 ]; then
                command -v sudo > /dev/null ||
                        die "these Debian packages are missing, and neither root nor sudo is here" \
                                "to install them: ${missing[*]}"
                as_root=(sudo)
        fi
        say "Installing Debian packages (a minute or so): ${missing[*]}"
        mkdir -p "$repo/build"
        if ! {
                "${as_root[@]}" apt-get update -q -o Acquire::Retries=3 &&
                        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                                apt-get install -y -q --no-install-recommends \
                                -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "${missing[@]}"
        } > "$repo/build/install.log" 2>&1; then
                tail -n 20 "$repo/build/install.log" >&2
                die "the installation failed; its log: $repo/build/install.log"
        fi
}

# build FOLDER [CMAKE OPTIONS]: configures once, then builds what has changed; one at a time in a
# folder.
build() {
        local folder=$1
        shift
        mkdir -p "$folder"
        (
                flock 9
                build_locked "$folder" "$@"
        ) 9> "$folder/lock"
}

build_locked() {
        local folder=$1 log=$1/build.log fresh=() cache=$1/CMakeCache.txt
        shift
        if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$repo" "$cache"; then
                fresh=(--fresh) # the folder came here with a copied or moved tree
                rm -f "$folder/build.ninja"
        fi
        if [ ! -f "$folder/build.ninja" ]; then
                say "Building Rollcall (once, half a minute or so)"
                if ! cmake "${fresh[@]}" -S "$repo" -B "$folder" -G Ninja "$@" \
                        > "$log" 2>&1 9>&-; then
                        tail -n 30 "$log" >&2
                        die "the configuration failed; its log: $log"
                fi
        fi
        if ! ninja -C "$folder" 2>&1 9>&- | tee -a "$log" | build_progress; then
                grep -E -A8 '^FAILED|error:|warning:' "$log" | head -n 40 >&2
                die "the build failed; its log: $log"
        fi
}

# Ninja's "[12/162] …" as one moving line on a terminal, and nothing elsewhere.
build_progress() {
        if [ -t 2 ]; then
                sed -nu 's/^\(\[[0-9]*\/[0-9]*\]\).*/\r\1/p' | tr -d '\n' >&2
                printf '\r\033[K' >&2
        else
                cat > /dev/null
        fi
}

# Newest PostgreSQL server programs on this machine.
postgres_bin() {
        local newest
        newest=$(find /usr/lib/postgresql -maxdepth 3 -name initdb 2> /dev/null |
                sort -V | tail -n 1)
        [ -n "$newest" ] || die "no PostgreSQL server found under /usr/lib/postgresql"
        dirname "$newest"
}

# bring_kafka [tools]: Kafka's jars come from Maven Central, the first time in minutes: not within a
# test's time.
bring_kafka() {
        local try
        for try in 1 2 3; do
                "$repo/tests/kafka/resolve" "$@" > /dev/null && return 0
                say "fetching Kafka's jars failed (try $try of 3)"
                sleep $((try * 5))
        done
        die "Kafka's jars could not be fetched from Maven Central"
}
