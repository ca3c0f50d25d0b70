#!/bin/sh
# The manifest names a user for every process, what is made from it agrees with it, and setup makes and checks it.
. "${abs_top_srcdir:-.}/tests/lint/lib.sh"
b=${abs_top_builddir:-.}/contrib
rows() { sed -e '/^#/d' -e '/^$/d' "$b/manifest" | awk -F: -v t="$1" '$2 == t'; }

users() {
	sed -n 's/^	{ ROLE_\([A-Z0-9_]*\), .*/\1/p' master/kinds.c | tr 'A-Z_' 'a-z-'  | sort > "$tmp/want"
	prefix=$(sed -n 's/^#define USER_PREFIX "\(.*\)"/\1/p' "$b/../config.h")
	rows u | sed "s/^$prefix\([a-z0-9-]*\):u:.*/\1/" | sort > "$tmp/got"
	diff "$tmp/want" "$tmp/got"
}
well_formed() { sed -e '/^#/d' -e '/^$/d' "$b/manifest" | grep -vE '^(/[^:]+:d:[a-z0-9-]+:[a-z0-9-]+:0[0-7]{3}|[a-z][a-z0-9-]+:u:::)$'; :; }
generated() {
	[ "$(rows u | wc -l)" = "$(grep -c '^u ' "$b/sysusers.d/pabal.conf")" ] || echo "sysusers: not as many users"
	[ "$(rows d | wc -l)" = "$(grep -c '^d ' "$b/tmpfiles.d/pabal.conf")" ] || echo "tmpfiles: not as many directories"
	grep -l '@[a-zA-Z_]*@' "$b/manifest" "$b/setup" "$b/pabal.service" "$b/init/pabal"
	:
}
syntax() { sh -n "$b/setup" && sh -n "$b/init/pabal"; }
me=$(id -un) group=$(id -gn)
makes_and_checks() {
	printf '%s\n' "# a comment" "" "$tmp/a/b:d:$me:$group:0750" "$tmp/c:d:$me:$group:0555" "$me:u:::" > "$tmp/manifest"
	PABAL_MANIFEST=$tmp/manifest "$b/setup" check > "$tmp/out" && echo "a check finds nothing wrong where nothing is"
	grep -q "directory $tmp/a/b is missing" "$tmp/out" || cat "$tmp/out"
	[ "$(id -u)" = 0 ] || return 0
	PABAL_MANIFEST=$tmp/manifest "$b/setup" create-users create-dirs > "$tmp/out" || echo "it failed"
	grep -q "directory $tmp/a/b" "$tmp/out" || cat "$tmp/out"
	PABAL_MANIFEST=$tmp/manifest "$b/setup" check
	PABAL_MANIFEST=$tmp/manifest "$b/setup" create-dirs
	chmod 0777 "$tmp/c"
	PABAL_MANIFEST=$tmp/manifest "$b/setup" check | grep -q "it has to be $me:$group:555" || echo "a wrong mode is not seen"
}
refuses() {
	"$b/setup" nonsense > "$tmp/out" 2>&1 && echo "an unknown command gives status 0"
	"$b/setup" > "$tmp/out" 2>&1 && echo "no command gives status 0"
	PABAL_MANIFEST=/nonexistent "$b/setup" nonsense >/dev/null 2>&1 && echo "no manifest gives status 0"
	:
}
example() {
	sed 's/^#\([a-z]\)/\1/' contrib/pabal.conf.example > "$tmp/conf"
	"$b/../master/pabal-master" -t -c "$tmp/conf" 2>&1 | grep -v -e 'is good$' -e 'there is no user'
	:
}
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
check "a user for every process" users
check "every line is well formed" well_formed
check "what is made from it is complete" generated
check "the scripts parse" syntax
check "setup makes and checks" makes_and_checks
check "setup refuses what it does not know" refuses
check "the example configuration is good" example
done_checks
