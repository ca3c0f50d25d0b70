#!/bin/sh
# The arrows of the folders (ARCHITECTURE.md): base knows nothing, mail knows base
# and the wire tables, ipc knows base, daemon knows base, ipc and mail, sasl all of these; a program
# knows common/ and itself, never another program. Only the spool's and accountd's
# index may know Berkeley DB.
. "${abs_top_srcdir:-.}/tests/lint/lib.sh"

includes() { sources | grep -v '^tests/' | xargs grep -Hn '^#include "' | sed 's/:[0-9]*:#include "\([^"]*\)".*/ \1/'; }
arrows() {
	includes | while read -r file inc; do
		[ "$inc" = config.h ] && continue
		from=$(dirname "$file") to=$(dirname "$inc")
		case $from in
		common/base) ok="common/base" ;;
		common/mail) ok="common/base common/mail common/ipc/wire.h" ;;
		common/ipc) ok="common/base common/ipc" ;;
		common/sasl) ok="common/base common/mail common/ipc common/daemon common/sasl" ;;
		common/daemon) ok="common/base common/ipc common/mail common/daemon" ;;
		control) ok="common/base common/ipc common/mail common/daemon control spool" ;;
		*) ok="common/base common/ipc common/mail common/sasl common/daemon $from" ;;
		esac
		case " $ok " in
		*" $to "* | *" $inc "*) ;;
		*) echo "$file may not include $inc" ;;
		esac
	done
}
quoted() { sources | grep -v '^tests/' | xargs grep -Hn '^#include "[^/"]*"' | grep -v '"config.h"'; :; }
berkeley() { sources | xargs grep -ln '^#include <db.h>' | grep -v -e '^spool/index' -e '^accountd/kv'; :; }
linux_only() {
	sources | grep -v '_linux\.[ch]$' | xargs grep -Hn '^#include <\(sys/epoll\|sys/signalfd\|seccomp\|linux/[a-z]*\|sys/prctl\)\.h>' |
		grep -v '^tests/'
	:
}
fuzzed() {
	sed -n 's/^IPC_MESSAGE(\([a-z_]*\),.*/\1/p' common/ipc/proto_*.h | while read -r m; do
		grep -q "R($m)" tests/fuzz/fuzz-ipc.c || echo "$m is missing in tests/fuzz/fuzz-ipc.c"
	done
}
check "every internal message is fuzzed" fuzzed
check "every include follows the arrows" arrows
check "includes name their folder" quoted
check "Berkeley DB is known in one place per owner" berkeley
check "Linux-only headers are behind *_linux files" linux_only
done_checks
