# keyd: private keys and certificates.
noinst_LIBRARIES += keyd/libkeyd.a
keyd_libkeyd_a_SOURCES = \
	%D%/cert.c %D%/cert.h %D%/cert_names.c \
	%D%/certs.c \
	%D%/choose.c %D%/choose.h \
	%D%/crypto.c %D%/crypto.h \
	%D%/keyd.h \
	%D%/selfsign.c %D%/selfsign.h \
	%D%/serve.c %D%/serve_control.c \
	%D%/sign.c %D%/sign.h \
	%D%/store.c %D%/store.h \
	%D%/tickets.c %D%/tickets.h
KEYD_LIBS = keyd/libkeyd.a $(DAEMON_LIBS) $(CRYPTO_LIBS) $(SYS_LIBS)

pkglibexec_PROGRAMS += keyd/keyd
keyd_keyd_SOURCES = %D%/main.c
keyd_keyd_LDADD = $(KEYD_LIBS)
