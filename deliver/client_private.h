#ifndef PABAL_DELIVER_CLIENT_PRIVATE_H
#define PABAL_DELIVER_CLIENT_PRIVATE_H

/* What client.c and client_hello.c share; nobody else includes it. */
#include "deliver/client.h"

enum client_event client_fail(struct client *c, enum client_fail why, const char *status, struct slice text);
/* "bad reply while ...: what" */
enum client_event client_fail_protocol(struct client *c, const char *what);
/* A 5xx to greeting or HELO is about this host today, not about the message: the class becomes 4. */
enum client_event client_fail_reply(struct client *c, enum client_fail why, const struct smtp_reply *r);
/* The text of a reply in out, which holds CLIENT_TEXT_MAX + 1 bytes; it ends with NUL. */
struct slice client_reply_text(const struct smtp_reply *r, char *out);

enum client_event client_on_greeting(struct client *c, const struct smtp_reply *r, struct buf *out);
enum client_event client_on_hello(struct client *c, const struct smtp_reply *r, struct buf *out);
/* more: bytes came behind the reply */
enum client_event client_on_starttls(struct client *c, const struct smtp_reply *r, bool more);

#endif
