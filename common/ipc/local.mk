noinst_LIBRARIES += common/ipc/libipc.a
common_ipc_libipc_a_SOURCES = \
	%D%/channel.c %D%/channel.h \
	%D%/peercred.h \
	%D%/proto_account.h %D%/proto_dns.h %D%/proto_job.h %D%/proto_key.h %D%/proto_master.h %D%/proto_spool.h \
	%D%/protocols.c \
	%D%/roles.c %D%/roles.h \
	%D%/wire.c %D%/wire.h
if LINUX
common_ipc_libipc_a_SOURCES += %D%/peercred_linux.c
endif
