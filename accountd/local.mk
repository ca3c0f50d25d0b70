# accountd: domains, users, aliases and logins.
noinst_LIBRARIES += accountd/libaccountd.a
accountd_libaccountd_a_SOURCES = \
	%D%/accountd.h \
	%D%/admin.c %D%/admin.h \
	%D%/apppass.c %D%/apppass.h \
	%D%/authpool.c %D%/authpool.h \
	%D%/digest.c %D%/digest.h \
	%D%/directory.c %D%/directory.h \
	%D%/fairqueue.c %D%/fairqueue.h \
	%D%/kv.c %D%/kv.h \
	%D%/logincache.c %D%/logincache.h \
	%D%/name.c %D%/name.h \
	%D%/nonce.c %D%/nonce.h \
	%D%/open.c \
	%D%/password.c %D%/password.h \
	%D%/record.c %D%/record.h \
	%D%/scram.c %D%/scram.h \
	%D%/serve.c %D%/serve_admin.c %D%/serve_app.c %D%/serve_bearer.c %D%/serve_login.c \
	%D%/serve_password.c %D%/serve_scram.c \
	%D%/store.c %D%/store_count.c %D%/store_user.c %D%/store.h %D%/store_internal.h \
	%D%/throttle.c %D%/throttle.h
ACCOUNTD_LIBS = accountd/libaccountd.a common/daemon/libdaemon.a common/mail/libmail.a $(BASE_LIBS) \
	$(DB_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS) $(SYS_LIBS) -lpthread

pkglibexec_PROGRAMS += accountd/accountd
accountd_accountd_SOURCES = %D%/main.c
accountd_accountd_LDADD = $(ACCOUNTD_LIBS)
