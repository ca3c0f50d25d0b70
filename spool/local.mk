# spool
noinst_LIBRARIES += spool/libspool.a
spool_libspool_a_SOURCES = \
	%D%/bodyfile.c %D%/bodyfile.h \
	%D%/log.c %D%/log.h %D%/log_internal.h \
	%D%/log_open.c \
	%D%/log_read.c \
	%D%/record.c %D%/record.h \
	%D%/segment.c %D%/segment.h \
	%D%/sysops.c %D%/sysops.h
