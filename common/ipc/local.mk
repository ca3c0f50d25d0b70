noinst_LIBRARIES += common/ipc/libipc.a
common_ipc_libipc_a_SOURCES = \
	%D%/wire.c %D%/wire.h
