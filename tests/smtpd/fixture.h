#ifndef PABAL_TESTS_SMTPD_FIXTURE_H
#define PABAL_TESTS_SMTPD_FIXTURE_H

/* The real smtpd process in its cell, between a client and a spoold and accountd that the test plays; accountd is that
 * of dialogue.h. */
#include "tests/lib/edge.h"

struct fixture {
	struct edge e;
	unsigned accepted, files, dropped;
	bool closed_once;
	int accept_fail;         /* code, 0: accepts */
	bool die_at_accept;      /* closes the channel instead of an answer */
	bool read_only_file;
	int file_fd;
	struct buf body;
	uint64_t size;
	bool did_accept, did_drop, did_file, did_lookup, did_login;
	bool hold_login;         /* a login is not answered */
};

void fixture_start(struct fixture *f, const char *conf);
void fixture_start_service(struct fixture *f, enum conf_listen_service svc, const char *conf);
void fixture_end(struct fixture *f);
/* Connects, and EHLO. */
void fixture_hello(struct fixture *f, struct edge_client *c);
/* To where the content is expected. */
void fixture_to_data(struct edge_client *c);
/* n lines of 99 bytes. */
void fixture_say_lines(struct edge_client *c, unsigned n);

#endif
