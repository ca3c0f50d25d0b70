#ifndef PABAL_MAIL_MIMEPARAM_H
#define PABAL_MAIL_MIMEPARAM_H

#include "common/base/arena.h"

/*
 * Values of Content-Type and Content-Disposition with their parameters,
 * RFC 2045 5.1, RFC 2183, RFC 2231, and what real mail makes of them: values
 * that are not quoted may hold spaces, comments are passed over, rubbish is
 * skipped to the next ";".
 */
enum { MIME_PARAMS_MAX = 128 };    /* the rest are dropped */

/* Continuations (name*0, name*1*) are joined. extended: value is charset'language'percent-encoded
 * and the name is meant with a "*" after it. */
struct mime_param {
	struct slice name;
	struct slice value;    /* without quotes; any bytes */
	bool extended;
};

struct mime_value {
	struct slice type;       /* as written; empty when nothing could be read */
	struct slice subtype;    /* empty for a disposition */
	struct mime_param *params;
	unsigned params_n;
};

/* text is an unfolded field body; the result points into it and the arena. Only ERR_NOMEM. */
int mime_type_parse(struct slice text, struct arena *a, struct mime_value *v_r) MUST_CHECK;
int mime_disposition_parse(struct slice text, struct arena *a, struct mime_value *v_r) MUST_CHECK;

/* The value of a parameter that is not extended; empty when it is not there. */
struct slice mime_param_find(const struct mime_value *v, const char *name);

#endif
