#!/bin/sh
# Install kwtui from this folder alone: sh install.sh [TARGET], where TARGET is a new folder.
# PYTHON names the interpreter, if python3 is not the one.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-"$HOME/kwtui"}
wanted=$(cat "$here/python-version")

case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
ko*) korean=yes ;;
*) korean=no ;;
esac

say() {
    if [ "$korean" = yes ]; then echo "$2"; else echo "$1"; fi
}

fail() {
    say "$1" "$2" >&2
    exit 1
}

command -v sha256sum >/dev/null ||
    fail "sha256sum is missing; install coreutils." "sha256sum이 없습니다. coreutils를 설치하세요."
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) ||
    fail "Files of this folder are damaged or missing: copy it again." \
        "이 폴더의 파일이 손상되었거나 없습니다. 폴더를 다시 복사하세요."

python=${PYTHON:-}
for name in "python$wanted" python3; do
    if [ -z "$python" ] && command -v "$name" >/dev/null; then python=$name; fi
done
[ -n "$python" ] ||
    fail "There is no Python $wanted here; install it, or name it with PYTHON=/path." \
        "여기에 Python $wanted 이(가) 없습니다. 설치하거나 PYTHON=/경로 로 알려 주세요."
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = "$wanted" ] ||
    fail "These wheels are for Python $wanted and $python is $found; name another with PYTHON=/path." \
        "이 휠은 Python $wanted 용인데 $python 은(는) $found 입니다. PYTHON=/경로 로 다른 것을 알려 주세요."
[ ! -e "$target" ] ||
    fail "$target is there already; name a new folder." "$target 이(가) 이미 있습니다. 새 폴더를 알려 주세요."

"$python" -m venv "$target" ||
    fail "No environment could be made; Debian and Ubuntu need the package python$wanted-venv." \
        "환경을 만들 수 없습니다. Debian과 Ubuntu에는 python$wanted-venv 패키지가 필요합니다."
# What is set for pip outside must not reach for a network.
env -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS -u PIP_CONSTRAINT \
    PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 \
    "$target/bin/python" -m pip install --disable-pip-version-check --quiet --no-index \
    --find-links "$here/wheels" --require-hashes -r "$here/requirements.txt" || {
    rm -rf "$target"
    fail "Nothing was installed; what pip says stands above." \
        "아무것도 설치되지 않았습니다. pip의 말이 위에 있습니다."
}
if [ -x "$target/bin/kwtui" ]; then
    "$target/bin/kwtui" doctor --quick || true
    say "Installed. Start it with $target/bin/kwtui" "설치되었습니다. $target/bin/kwtui 로 시작하세요."
else
    say "Installed in $target" "$target 에 설치되었습니다"
fi
