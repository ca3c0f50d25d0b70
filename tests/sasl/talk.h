#ifndef PABAL_TESTS_SASL_TALK_H
#define PABAL_TESTS_SASL_TALK_H

#include "common/sasl/sasl.h"

/*
 * A SASL exchange as lines of text:
 *	C:text      the client sends text in base64; | stands for NUL, ^ for the byte 1; the first line is the initial response
 *	R:line      the client sends the line as it is
 *	S:text      a challenge, decoded
 *	Q:how user secret       what accountd is asked ("-" for an empty part); secret with | and ^ as above
 *	A:ok A:scram A:denied A:again A:closed A:odd        what accountd answers
 *	OK user, or the name of a failure ("DENIED"): the end
 * A first line of N: means no initial response. Fails with the row's number.
 */
enum { TALK_LINES = 14 };
void talk(size_t row, const struct sasl_conf *conf, const char *mechanism, const char *const lines[TALK_LINES]);

/* What A:scram and A:ok carry: RFC 7677 3. */
extern const struct account_scram talk_scram;
extern const struct account_logged_in talk_ok;

#endif
