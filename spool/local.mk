# spool
noinst_LIBRARIES += spool/libspool.a
spool_libspool_a_SOURCES = \
	%D%/apply.c \
	%D%/apply_mailbox.c \
	%D%/apply_queue.c \
	%D%/apply_rows.c \
	%D%/body.c \
	%D%/bodyfile.c %D%/bodyfile.h \
	%D%/change.c %D%/change.h \
	%D%/clean.c \
	%D%/engine.c \
	%D%/engine_open.c \
	%D%/index.c %D%/index.h \
	%D%/log.c %D%/log.h %D%/log_internal.h \
	%D%/log_open.c \
	%D%/log_read.c \
	%D%/mailbox.c \
	%D%/mboxname.c %D%/mboxname.h \
	%D%/op.c %D%/op.h \
	%D%/prepare_mailbox.c \
	%D%/prepare_queue.c \
	%D%/prepare_rows.c \
	%D%/queue.c \
	%D%/record.c %D%/record.h \
	%D%/segment.c %D%/segment.h \
	%D%/snapshot.c \
	%D%/spool.h %D%/spool_internal.h \
	%D%/sysops.c %D%/sysops.h \
	%D%/tables.c %D%/tables.h
