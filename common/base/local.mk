noinst_LIBRARIES += common/base/libbase.a
common_base_libbase_a_SOURCES = \
	%D%/arena.c %D%/arena.h \
	%D%/buf.c %D%/buf.h \
	%D%/charclass.c \
	%D%/clock.c %D%/clock.h \
	%D%/crc32c.c %D%/crc32c.h \
	%D%/err.c %D%/err.h \
	%D%/log.c %D%/log.h \
	%D%/loop.c %D%/loop.h \
	%D%/poller.h \
	%D%/slice.c %D%/slice.h \
	%D%/strnum.c %D%/strnum.h
if LINUX
common_base_libbase_a_SOURCES += %D%/poller_linux.c
endif
