# control: the pabal command.
noinst_LIBRARIES += control/libcontrol.a
CONTROL_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) -DSYSCONFDIR='"$(sysconfdir)"' -DSBINDIR='"$(sbindir)"'
control_libcontrol_a_CPPFLAGS = $(CONTROL_CPPFLAGS)
control_libcontrol_a_SOURCES = \
	%D%/args.c %D%/args.h \
	%D%/client.c %D%/client.h \
	%D%/account_client.h \
	%D%/cmd_account.c \
	%D%/cmd_autoconfig.c \
	%D%/cmd_cert.c \
	%D%/cmd_check.c \
	%D%/cmd_compact.c \
	%D%/cmd_login.c \
	%D%/cmd_queue.c \
	%D%/cmd_spool.c \
	%D%/cmd_start.c \
	%D%/cmd_system.c \
	%D%/cmd_trace.c \
	%D%/cmd_validator.c \
	%D%/command.h %D%/commands.c \
	%D%/format.c %D%/format.h \
	%D%/program.c %D%/program.h \
	%D%/run_master.h \
	%D%/secret.c %D%/secret.h \
	%D%/show.h %D%/show_cert.c %D%/show_login.c %D%/show_queue.c %D%/show_system.c \
	%D%/spool_client.h
CONTROL_LIBS = control/libcontrol.a spool/libspool.a common/daemon/libdaemon.a common/mail/libmail.a $(BASE_LIBS) \
	$(JANSSON_LIBS) $(DB_LIBS) $(CRYPTO_LIBS) $(SYS_LIBS)

bin_PROGRAMS += control/pabal
control_pabal_CPPFLAGS = $(CONTROL_CPPFLAGS)
control_pabal_SOURCES = %D%/main.c
control_pabal_LDADD = $(CONTROL_LIBS)
