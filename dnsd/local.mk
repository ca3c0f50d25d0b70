# dnsd: where mail for a domain goes.
noinst_LIBRARIES += dnsd/libdnsd.a
dnsd_libdnsd_a_SOURCES = \
	%D%/mx.c %D%/mx.h \
	%D%/plan.c %D%/plan.h \
	%D%/resolver.c %D%/resolver.h
DNSD_LIBS = dnsd/libdnsd.a common/daemon/libdaemon.a common/mail/libmail.a $(BASE_LIBS) $(UNBOUND_LIBS) $(SYS_LIBS) -lpthread

pkglibexec_PROGRAMS += dnsd/dnsd
dnsd_dnsd_SOURCES = %D%/main.c
dnsd_dnsd_LDADD = $(DNSD_LIBS)
