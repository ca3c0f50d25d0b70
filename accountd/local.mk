# accountd: domains, users, aliases and logins.
noinst_LIBRARIES += accountd/libaccountd.a
accountd_libaccountd_a_SOURCES = \
	%D%/accountd.h \
	%D%/admin.c %D%/admin.h \
	%D%/authpool.c %D%/authpool.h \
	%D%/directory.c %D%/directory.h \
	%D%/kv.c %D%/kv.h \
	%D%/name.c %D%/name.h \
	%D%/password.c %D%/password.h \
	%D%/record.c %D%/record.h \
	%D%/serve.c %D%/serve_admin.c %D%/serve_login.c \
	%D%/store.c %D%/store.h \
	%D%/throttle.c %D%/throttle.h
ACCOUNTD_LIBS = accountd/libaccountd.a common/daemon/libdaemon.a common/mail/libmail.a $(BASE_LIBS) \
	$(DB_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS) $(SYS_LIBS) -lpthread

pkglibexec_PROGRAMS += accountd/accountd
accountd_accountd_SOURCES = %D%/main.c
accountd_accountd_LDADD = $(ACCOUNTD_LIBS)
