# Every option of the table stands in pabal.conf(5) with its default, and every option of the page is in the table.
page="$abs_top_srcdir/man/pabal.conf.5"
table=$("$abs_top_builddir/tests/daemon/conf-options") || { echo "Bail out! no table"; exit 1; }

echo "1..4"
names=$(printf '%s\n' "$table" | cut -d'|' -f1 | sort)
listed=$(sed -n 's/^\.It Ic \([a-z0-9_]*\) No = .*/\1/p' "$page" | sort)
missing=$(printf '%s\n' "$names" | while read -r n; do printf '%s\n' "$listed" | grep -qx "$n" || printf ' %s' "$n"; done)
[ -z "$missing" ] && echo "ok 1 - every option is in the page" || echo "not ok 1 - not in the page:$missing"
extra=$(printf '%s\n' "$listed" | while read -r n; do printf '%s\n' "$names" | grep -qx "$n" || printf ' %s' "$n"; done)
[ -z "$extra" ] && echo "ok 2 - every option of the page exists" || echo "not ok 2 - not in the table:$extra"
twice=$(printf '%s\n' "$listed" | uniq -d | tr '\n' ' ')
[ -z "$twice" ] && echo "ok 3 - none stands there twice" || echo "not ok 3 - twice: $twice"

wrong=$(printf '%s\n' "$table" | while IFS='|' read -r name type def min max; do
	told=$(awk -v n="$name" '$1 == ".It" { on = ($3 == n) } on && /^Default: / { sub(/^Default: /, ""); sub(/\.$/, ""); print; exit }' "$page")
	case $type,$def,$told in
	LIST,,none) ;;                      # no element
	PATH,,*|STR,,empty|STR,,the\ system*) ;;
	*) [ "$def" = "$told" ] || printf ' %s (%s, page: %s)' "$name" "$def" "$told" ;;
	esac
done)
[ -z "$wrong" ] && echo "ok 4 - the defaults agree" || echo "not ok 4 - defaults:$wrong"
