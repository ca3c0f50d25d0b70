# spool
noinst_LIBRARIES += spool/libspool.a
spool_libspool_a_SOURCES = \
	%D%/apply.c \
	%D%/apply_mailbox.c \
	%D%/apply_queue.c \
	%D%/apply_rows.c \
	%D%/beside.c %D%/beside.h \
	%D%/body.c \
	%D%/bodyfile.c %D%/bodyfile.h \
	%D%/change.c %D%/change.h \
	%D%/clean.c \
	%D%/compact.c \
	%D%/copying.c \
	%D%/doomed.c \
	%D%/engine.c \
	%D%/engine_open.c \
	%D%/index.c %D%/index.h %D%/index_db.c %D%/index_db.h %D%/index_layer.c %D%/index_layer.h \
	%D%/log.c %D%/log.h %D%/log_internal.h \
	%D%/log_cursor.c \
	%D%/log_make.c \
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
	%D%/service.c %D%/service.h %D%/service_internal.h \
	%D%/service_admin.c \
	%D%/service_compact.c \
	%D%/service_deliver.c \
	%D%/service_files.c \
	%D%/service_jobs.c %D%/service_jobs.h \
	%D%/service_many.c \
	%D%/service_queue.c \
	%D%/service_rows.c \
	%D%/service_session.c \
	%D%/service_view.c \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/snapshot_load.c \
	%D%/spool.h %D%/spool_internal.h \
	%D%/syncer.c %D%/syncer.h \
	%D%/sysops.c %D%/sysops.h \
	%D%/tables.c %D%/tables.h \
	%D%/tool.h %D%/tool_check.c %D%/tool_compare.c %D%/tool_internal.h %D%/tool_walk.c \
	%D%/watch.c %D%/watch.h
SPOOL_LIBS = spool/libspool.a common/daemon/libdaemon.a common/mail/libmail.a $(BASE_LIBS) \
	$(DB_LIBS) $(CRYPTO_LIBS) $(SYS_LIBS) -lpthread

pkglibexec_PROGRAMS += spool/spoold
spool_spoold_SOURCES = %D%/main.c
spool_spoold_LDADD = $(SPOOL_LIBS)
