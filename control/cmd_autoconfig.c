/*
 * pabal autoconfig: the settings of mail clients for a domain, as the file that
 * Thunderbird, K-9, Evolution and others look for (Mozilla's clientConfig 1.1). It
 * tells what the listen lines offer; the name is the host's, for certificates bear it.
 */
#include "common/base/log.h"
#include "control/command.h"
#include "control/format.h"

struct setting {
	enum conf_listen_service svc;
	const char *type;               /* in the file */
	bool incoming, tls;             /* tls: from the first byte */
	uint16_t port;                  /* 0: not offered */
};

/* In the order in which a client shall try. */
static const struct setting settings[] = {
	{ LISTEN_IMAPS, "imap", true, true, 0 }, { LISTEN_IMAP, "imap", true, false, 0 },
	{ LISTEN_POP3S, "pop3", true, true, 0 }, { LISTEN_POP3, "pop3", true, false, 0 },
	{ LISTEN_SUBMISSIONS, "smtp", false, true, 0 }, { LISTEN_SUBMISSION, "smtp", false, false, 0 },
};

/* The port of the first listen line of the service; 0: there is none. */
static uint16_t port_of(const struct conf *c, enum conf_listen_service svc)
{
	enum conf_listen_service s;
	char host[64];
	uint16_t port;

	for (unsigned i = 0; i < c->listen.n; i++)
		if (conf_listen_parse(c->listen.v[i], &s, host, &port) == 0 && s == svc)
			return port;
	return 0;
}

static void add_xml(struct buf *b, const struct conf *c, const struct setting *s)
{
	const char *tag = s->incoming ? "incomingServer" : "outgoingServer";

	buf_addf(b, "    <%s type=\"%s\">\n", tag, s->type);
	buf_addf(b, "      <hostname>%s</hostname>\n      <port>%u</port>\n", c->hostname, (unsigned)s->port);
	buf_addf(b, "      <socketType>%s</socketType>\n", s->tls ? "SSL" : "STARTTLS");
	buf_add_cstr(b, "      <authentication>password-cleartext</authentication>\n"
	    "      <username>%EMAILADDRESS%</username>\n");
	buf_addf(b, "    </%s>\n", tag);
}

static json_t *to_json(const struct conf *c, const struct setting *s)
{
	return json_pack("{s:s, s:s, s:i, s:s}", "type", s->type, "host", c->hostname, "port", (int)s->port, "security",
	    s->tls ? "tls" : "starttls");
}

/* Letters, digits, hyphens and dots, so it needs no escapes. */
static bool domain_ok(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!is_class((uint8_t)s[i], CC_ALPHA | CC_DIGIT) && s[i] != '-' && s[i] != '.')
			return false;
	return n != 0 && n < 254;
}

int cmd_autoconfig(struct control *ct)
{
	struct buf b = BUF_INIT(100000);
	const char *domain = ct->words[0];
	json_t *a = json_array();
	unsigned ways[2] = { 0, 0 };

	if (!domain_ok(domain)) {
		json_decref(a);
		return complain("\"%s\" is not a domain.", log_esc(slice_cstr(domain)));
	}
	buf_addf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n"
	    "  <emailProvider id=\"%s\">\n    <domain>%s</domain>\n    <displayName>%s</displayName>\n"
	    "    <displayShortName>%s</displayShortName>\n", domain, domain, domain, domain);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		struct setting s = settings[i];

		if ((s.port = port_of(ct->conf, s.svc)) == 0)
			continue;
		ways[s.incoming ? 1 : 0]++;
		add_xml(&b, ct->conf, &s);
		(void)json_array_append_new(a, to_json(ct->conf, &s));
	}
	buf_add_cstr(&b, "  </emailProvider>\n</clientConfig>\n");
	if (ways[0] == 0 || ways[1] == 0) {
		buf_free(&b);
		json_decref(a);
		return complain("There is no listen line for %s with a fixed port in %s.",
		    ways[1] == 0 ? "imaps, imap, pop3s or pop3" : "submissions or submission", ct->conf_file);
	}
	if (ct->json) {
		buf_reset(&b);
		format_json(&b, json_pack("{s:s, s:o}", "domain", domain, "servers", a));
	} else {
		json_decref(a);
	}
	return finish_output(&b);
}
