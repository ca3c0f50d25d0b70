/*
 * EXTERNAL (RFC 4422 appendix A): who the client is was shown by its certificate in the handshake. The message is the
 * authorization identity, empty for the certificate's own.
 */
#include "common/sasl/sasl_internal.h"

static enum sasl_step external_input(struct sasl *s, struct slice in)
{
	int r = in.len != 0 ? sasl_name_check(in) : 0;

	if (r == 0)
		r = sasl_set_user(s, s->conf.external);
	if (r == 0 && in.len != 0 && !sasl_name_same(in, s->conf.external))
		r = ERR_DENIED;
	return r != 0 ? sasl_step_fail_err(s, r) : sasl_step_ask(s, LOGIN_EXTERNAL, SLICE_LIT(""), SLICE_LIT(""));
}

const struct sasl_row sasl_external = { .name = "EXTERNAL", .input = external_input };
