/*
 * STARTTLS, RFC 3207:
 *	starttls = "STARTTLS" CRLF
 *
 * What the client pipelined behind it would be taken for what came under TLS: the
 * table refuses that (SMTP_V_LAST), and what arrives later but before the handshake
 * is dropped by the connection.
 */
#include "smtpd/internal.h"

bool smtp_starttls_offered(const struct smtp_session *s)
{
	return s->env->starttls && s->tls.version == NULL;
}

SMTP_HANDLER(smtp_act_starttls)
{
	(void)args;
	if (s->tls.version != NULL) {
		smtp_reply_set(reply, 503, "5.5.1", "TLS is active already");
		return SMTP_STAY;
	}
	if (!s->env->starttls) {
		smtp_reply_set(reply, 454, "4.7.0", "TLS is not available");
		return SMTP_STAY;
	}
	smtp_reply_set(reply, 220, "2.0.0", "Ready to start TLS");
	return SMTP_TLS;
}

/* The session may outlive the connection, whose texts these are. */
static int keep(struct smtp_session *s, const struct edge_tls *tls)
{
	struct edge_tls t = *tls;

	t.version = arena_cstr(s->arena, slice_cstr(tls->version));
	t.cipher = arena_cstr(s->arena, slice_cstr(tls->cipher));
	t.external = arena_cstr(s->arena, slice_cstr(tls->external));
	t.sni = arena_cstr(s->arena, slice_cstr(tls->sni));
	if (t.version == NULL || t.cipher == NULL || t.external == NULL || t.sni == NULL)
		return ERR_NOMEM;
	s->tls = t;
	return 0;
}

int smtp_session_tls_started(struct smtp_session *s, const struct edge_tls *tls)
{
	smtp_session_taken(s, SMTP_WANT_TLS);
	if (keep(s, tls) != 0)
		return ERR_NOMEM;
	s->esmtp = false;
	s->helo[0] = '\0';
	s->user = NULL;
	s->account = 0;
	s->line_begun = false;
	log_info("%s TLS connection established from %s: %s with cipher %s (%u/%u bits)", tls->external[0] != '\0' ? "Trusted" :
	    "Anonymous", s->client_text, tls->version, tls->cipher, tls->bits, tls->bits);
	return 0;
}
