#!/bin/sh
# Builds the switch by a profile of its own work: what runs often lies together and is laid out for how it runs, in our code and in
# SQLite's. Takes twice the time of a release build, and 25 s of load between the two; needs the toolchain's llvm-tools, which it installs.
#
#   benches/profiled.sh            makes target/profiled/iso8583d
#
# The profile is of the machine that makes it, of this compiler and of this source; it is in no way part of what the program does.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/profiled"
out=$(cd "$target/profiled" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
tools=$(rustc --print sysroot)/lib/rustlib/$host/bin

rustup component add llvm-tools
rm -rf "$out/raw" "$out/c"
mkdir -p "$out/raw" "$out/c"

# What gcc counts, and finds again: by the name of the object, wherever it lies.
c_names="-dumpdir $out/c/"
build() {
    # A target by its name has flags of its own: build scripts and macros are built without.
    CFLAGS="$c_names $1" RUSTFLAGS="$2" cargo build --release --locked --bin iso8583d --target "$host" --target-dir "$out/$3"
}

build "-fprofile-generate -fprofile-update=prefer-atomic" "-Cprofile-generate=$out/raw -Clink-arg=-lgcov" counting
counting=$out/counting/$host/release/iso8583d
work() {
    echo "counting: iso8583d $*"
    LLVM_PROFILE_FILE="$out/raw/%m-%p.profraw" "$counting" "$@" > "$out/work.log" || { cat "$out/work.log"; exit 1; }
}
work sim load --seconds 6
work sim load --seconds 4 --asker iso87-bcd --issuer iso87-ascii-binary-bitmap
work sim load --seconds 4 --rate 2000
work demo day

"$tools/llvm-profdata" merge -o "$out/rust.profdata" "$out/raw"
# Threads that still ran while the counts were written leave some of them uneven.
build "-fprofile-use -fprofile-correction -Wno-missing-profile -Wno-coverage-mismatch" "-Cprofile-use=$out/rust.profdata" using
cp "$out/using/$host/release/iso8583d" "$out/iso8583d"
echo "built: $out/iso8583d"
