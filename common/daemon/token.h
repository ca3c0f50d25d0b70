#ifndef PABAL_DAEMON_TOKEN_H
#define PABAL_DAEMON_TOKEN_H

#include <stdint.h>

#include "common/base/slice.h"

/*
 * What one core says for another through processes that are not trusted:
 * accountd (or spoold) mints, spoold checks, who carries it can neither make
 * nor change one. The key is daemon->secret, which only those two have and which
 * master makes anew at every start, so no token outlives the system's run.
 *
 *	u8 version, u8 kind, u64 account, u64 msgid, u64 expiry, 8 random bytes,
 *	32 bytes HMAC-SHA256 of all before; integers little-endian
 */
enum token_kind {
	TOKEN_SESSION = 1,      /* accountd -> pop3d, imapd -> spoold: the mail of account */
	TOKEN_JOB = 2,          /* spoold -> qmgr -> agents -> spoold: the content of msgid, and its outcome */
	TOKEN_GRANT = 3,        /* accountd -> deliver-local -> spoold: msgid may be added to account */
};

enum { TOKEN_SECRET_SIZE = 32, TOKEN_SIZE = 66 };

struct token {
	enum token_kind kind;
	uint64_t account;       /* 0 in a JOB token */
	uint64_t msgid;         /* 0 in a SESSION token */
	uint64_t expiry;        /* wall clock, seconds; from then on it is void */
};

/* Call before the sandbox is entered: OpenSSL makes itself ready without reading any file. */
void token_init(void);
/* ERR_STATE if the secret has not TOKEN_SECRET_SIZE bytes. */
int token_mint(struct slice secret, const struct token *t, uint8_t out_r[TOKEN_SIZE]) MUST_CHECK;
/* Is text a token of that kind, whole and not expired at now (seconds)? ERR_DENIED if not, whatever is
 * wrong; takes the same time for every wrong HMAC. The caller compares account and msgid. */
int token_check(struct slice secret, struct slice text, enum token_kind kind, uint64_t now,
    struct token *t_r) MUST_CHECK;

#endif
