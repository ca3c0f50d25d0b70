# The load generator is made with "make bench/load" or by the tests; bench/run does so.
check_PROGRAMS += bench/load
bench_load_SOURCES = bench/load.c bench/load.h bench/load_internal.h bench/load_conn.c bench/load_drain.c bench/load_idle.c bench/load_imap.c \
	bench/load_loop_linux.c bench/load_message.c bench/load_pop3.c bench/load_smtp.c bench/load_stat.c
bench_load_LDADD = $(OPENSSL_LIBS)
EXTRA_DIST += bench/run bench/README.md bench/RESULTS.md bench/throughput.svg bench/slowflush.c bench/main.py bench/ground.py bench/measure.py bench/opensmtpd.py \
	bench/peers.py bench/plot.py bench/report.py bench/systems.py bench/targets.py bench/works_mail.py bench/works_read.py bench/works_rest.py \
	bench/peers/postfix-main.cf bench/peers/postfix-master.cf bench/peers/dovecot.conf
