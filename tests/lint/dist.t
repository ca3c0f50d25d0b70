#!/bin/sh
# A release holds every file of the repository, except what is for the repository alone.
. "${abs_top_srcdir:-.}/tests/lint/lib.sh"
top=$(pwd)
missing() {
	[ -e .git ] || return 0
	tmp=$(mktemp -d)
	(cd "${abs_top_builddir:-.}" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s print-distfiles) | sed -e "s#^$top/##" -e 's#^\(\.\./\)*##' | sort -u > "$tmp/dist"
	git ls-files | while read -r f; do
		case $f in
		*.gitignore | .gitattributes) continue ;;
		esac
		d=$f
		while [ "$d" != . ]; do
			grep -qxF "$d" "$tmp/dist" && continue 2
			d=$(dirname "$d")
		done
		echo "$f is not in a release"
	done
	rm -rf "$tmp"
}
check "every file is in a release" missing
done_checks
