# For the lints: TAP from functions that print what is wrong and nothing else.
# Usage: check "name" command...  (fine when it prints nothing); done_checks
n=0
check() {
	name=$1
	shift
	n=$((n + 1))
	out=$("$@" 2>&1) || out="$out
(exit status $?)"
	if [ -z "$out" ]; then
		echo "ok $n - $name"
	else
		printf '%s\n' "$out" | head -n 40 | sed 's/^/# /'
		echo "not ok $n - $name"
	fi
}
done_checks() { echo "1..$n"; }
cd "${abs_top_srcdir:-.}" || exit 1
sources() { find ./*/ -name '*.[ch]' -not -path './_build/*' -not -path './build*/*' -not -path './_try/*' | sed 's#^\./##' | sort; }
