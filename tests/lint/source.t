#!/bin/sh
# What the eye would trip over: long files, unguarded or needy headers, unsafe calls, binaries.
. "${abs_top_srcdir:-.}/tests/lint/lib.sh"

long() { sources | xargs wc -l | awk '$2 != "total" && $1 > 620 { print $2 ": " $1 " lines" }'; }
guards() {
	sources | grep '\.h$' | while read -r h; do
		grep -q '^#ifndef PABAL_' "$h" || echo "$h: no include guard PABAL_..."
	done
}
alone() {
	sources | grep '\.h$' | grep -v '^tests/' | while read -r h; do
		printf '#include "%s"\n' "$h" |
			${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -I"${abs_top_builddir:-.}" -include config.h -fsyntax-only -x c - >/dev/null 2>&1 ||
			echo "$h does not compile by itself"
	done
}
unsafe() {
	sources | grep -v '^tests/' | xargs grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|strncpy|strncat|mktemp|tmpnam|system|popen)[[:space:]]*\(' |
		grep -v '^common/base/log.c:.*sprintf(q'
	:
}
leftovers() { sources | grep -v '^tests/lint/' | xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b'; :; }
binaries() {
	[ -d .git ] || [ -f .git ] || return 0
	git ls-files -z | xargs -0 -r file --mime-encoding 2>/dev/null | grep 'binary$' | cut -d: -f1 | grep -v '^tests/fuzz/seeds/' | while read -r f; do [ ! -s "$f" ] || echo "$f"; done
	:
}
shells() {
	command -v shellcheck >/dev/null || { echo "shellcheck is missing"; return; }
	shellcheck bootstrap check try .ci/run bench/run contrib/install-deps contrib/setup.in contrib/acme-hook.in contrib/pabal.init.in && shellcheck tests/lint/*.sh tests/*/*.t -s sh -e SC1090,SC1091,SC2034,SC2154,SC2148
}
spelling() {
	command -v codespell >/dev/null || { echo "codespell is missing"; return; }
	# shellcheck disable=SC2046
	codespell -q 3 -L 'te,sting,ser,upto,nin,hel,fo,nd,ans,ba,inout,ue,ot' $(sources) ./*.md man/*.[1-9] bootstrap check try bench/run bench/*.py bench/*.md 2>/dev/null
	:
}
manuals() {
	command -v mandoc >/dev/null || { echo "mandoc is missing"; return; }
	for m in man/*.[1-9]; do [ ! -e "$m" ] || mandoc -Tlint -Wwarning "$m"; done
}
check "no file is over about 600 lines" long
check "headers have include guards" guards
check "headers compile by themselves" alone
check "no unsafe calls" unsafe
check "nothing is left for later" leftovers
check "no binaries are committed" binaries
check "shell scripts pass shellcheck" shells
check "spelling" spelling
check "manual pages pass mandoc's lint" manuals
done_checks
