/*
 * Starts the real dnsd in its cell with the configuration in a file and asks it, as
 * deliver-remote does, for the domains in the arguments: all at once. Prints, in their order,
 *	DOMAIN TAB status=N secure=N TEXT: HOST/PREFERENCE[secure] ADDRESS ...; ...
 * A first argument "twice=FILE" asks again after a reload with that file.
 */
#include "tests/lib/unit.h"

#include <arpa/inet.h>

#include "common/ipc/proto_dns.h"
#include "tests/lib/server.h"

struct question {
	const char *domain;
	struct buf out;
	unsigned *open;
};

static struct server s;

static void print(struct buf *b, const struct dns_mx_reply *r)
{
	buf_addf(b, "status=%u secure=%u %.*s:", r->status, r->secure, SLICE_ARG(r->text));
	for (uint32_t i = 0; i < r->hosts_n; i++) {
		buf_addf(b, "%s %.*s/%u%s", i != 0 ? ";" : "", SLICE_ARG(r->hosts[i].name), r->hosts[i].preference,
		    r->hosts[i].secure ? "[secure]" : "");
		for (uint32_t k = 0; k < r->hosts[i].addrs_n; k++) {
			const struct dns_addr *a = &r->hosts[i].addrs[k];
			char text[INET6_ADDRSTRLEN] = "?";

			(void)inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr.p, text, sizeof(text));
			buf_addf(b, " %s", text);
		}
	}
}

static void on_answer(void *ctx, int r, struct ipc_msg *m)
{
	struct question *q = ctx;
	struct arena *a = arena_new(1 << 20);
	struct dns_mx_reply reply;

	(*q->open)--;
	if (r == 0 && (r = IPC_DECODE(m, dns_mx_reply, a, &reply)) == 0)
		print(&q->out, &reply);
	else
		buf_addf(&q->out, "error=%d", r);
	arena_free(&a);
}

static void ask(const char *const *domains, unsigned n)
{
	struct question *qs = calloc(n, sizeof(*qs));
	struct server_client c;
	unsigned open = n;

	assert_non_null(qs);
	server_connect(&s, ROLE_DELIVER_REMOTE, &c);
	for (unsigned i = 0; i < n; i++) {
		struct dns_mx req = { .domain = slice_cstr(domains[i]) };

		qs[i] = (struct question){ .domain = domains[i], .out = BUF_INIT(65536), .open = &open };
		(void)SERVER_SEND(&c, dns_mx, &req, on_answer, &qs[i]);
	}
	while (open != 0)
		if (loop_turn(s.loop, -1) != 0)
			exit(1);
	for (unsigned i = 0; i < n; i++) {
		(void)printf("%s\t%.*s\n", domains[i], SLICE_ARG(buf_slice(&qs[i].out)));
		buf_free(&qs[i].out);
	}
	(void)fflush(stdout);
	free(qs);
	server_leave(&c);
}

static char *load(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "re");

	if (f == NULL || text == NULL || fread(text, 1, 65535, f) == 0)
		exit(2);
	(void)fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	const char *const *domains = (const char *const *)argv + 2;
	bool twice = argc > 2 && strncmp(argv[2], "twice=", 6) == 0;
	char *conf, *conf2;

	if (argc < 3)
		return 2;
	conf = load(argv[1]);
	server_start(&s, "dnsd/dnsd", ROLE_DNSD, "dns", PROTO_DNS_MAJOR, PROTO_DNS_MINOR, conf, NULL, false);
	ask(domains + twice, (unsigned)argc - 2 - twice);
	if (twice) {
		conf2 = load(argv[2] + 6);
		server_reload(&s, conf2);
		ask(domains + 1, (unsigned)argc - 3);
		free(conf2);
	}
	free(conf);
	return server_stop(&s);
}
