#ifndef PABAL_DAEMON_CONF_H
#define PABAL_DAEMON_CONF_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * pabal.conf: lines "name = value"; '#' starts a comment at the start of a line
 * or after white space; a value may be "quoted"; a line that ends in a backslash
 * goes on; options of a list type may be given again and again. Every option is
 * one row of CONF_OPTIONS: type, name, default, minimum, maximum, help. The man
 * page pabal.conf(5) is checked against this table.
 *
 * Types: STR text, PATH absolute path, BOOL yes/no, INT number, SIZE bytes with
 * k, m, g; TIME seconds with s, m, h, d, w; LIST texts. A default of NULL for
 * STR or PATH: made by conf_finish() as the help says.
 */
#define CONF_OPTIONS(X) \
X(STR, hostname, NULL, 0, 255, "name of this host in greetings and trace headers; default: the system's") \
X(LIST, listen, NULL, 0, 64, "service and address: smtp|submission|submissions|pop3|pop3s|imap|imaps ADDRESS:PORT, several lines possible") \
X(PATH, spool_dir, NULL, 0, 0, "where all mail is; default: LOCALSTATEDIR/spool/pabal") \
X(PATH, state_dir, NULL, 0, 0, "where accounts are; default: LOCALSTATEDIR/lib/pabal") \
X(PATH, key_dir, NULL, 0, 0, "where private keys and certificates are; default: LOCALSTATEDIR/lib/pabal-keys") \
X(PATH, run_dir, NULL, 0, 0, "control sockets and process id; default: LOCALSTATEDIR/run/pabal") \
X(PATH, log_file, NULL, 0, 0, "log file, opened by master; empty: standard error") \
X(STR, log_level, "info", 0, 0, "error, warn, info or debug") \
X(INT, uid_base, "0", 0, 4000000000u, "0: each process runs as its own system user; else process n runs as this uid plus n, users need not exist") \
X(STR, admin_group, "", 0, 64, "members of this group may use the pabal command besides root") \
X(BOOL, allow_plaintext_login, "no", 0, 0, "logins without TLS are taken from loopback addresses") \
X(STR, tls_min_version, "1.2", 0, 0, "oldest version of TLS spoken, 1.2 or 1.3") \
X(TIME, tls_handshake_timeout, "30s", 1, 3600, "a TLS handshake has to be done within this time") \
X(PATH, tls_client_ca, "", 0, 0, "file of authorities, PEM: clients are asked for certificates of these, for the SASL mechanism EXTERNAL; empty: they are not asked") \
X(PATH, tls_ca_file, "/etc/ssl/certs/ca-certificates.crt", 0, 0, "file of authorities, PEM, that deliver-remote trusts where a policy says verify") \
X(LIST, tls_policy, NULL, 0, 1000, "DOMAIN|* none|may|encrypt|verify [NAME ...]: TLS of outgoing mail; default: may") \
X(TIME, certificate_warning, "14d", 0, 31536000, "certificates that end within this time are warned of") \
X(INT, scram_iterations, "32768", 0, 1000000, "work of the SCRAM verifiers of new passwords; 0: none are made, below 4096: as 4096") \
X(BOOL, oauth_login, "no", 0, 0, "OAUTHBEARER and XOAUTH2 are offered; pabal oauth-validator judges the tokens") \
X(TIME, login_cache, "5m", 0, 86400, "a proven password is taken again for this long without hashing; 0: never") \
X(BOOL, submission_hide_client, "no", 0, 0, "the Received field of a submitted message does not name the client's host") \
X(INT, smtpd_workers, "1", 1, 64, "smtpd processes") \
X(INT, deliver_local_workers, "1", 1, 64, "deliver-local processes") \
X(INT, deliver_remote_workers, "1", 1, 64, "deliver-remote processes") \
X(INT, pop3d_workers, "1", 1, 64, "pop3d processes") \
X(INT, imapd_workers, "1", 1, 64, "imapd processes") \
X(SIZE, message_size_limit, "50m", 1024, 2147483648u, "largest message taken, bytes") \
X(INT, recipient_limit, "1000", 1, 10000, "recipients of one message; more are answered 452") \
X(INT, smtp_error_limit, "20", 1, 1000, "errors after which a client is sent away with 421") \
X(INT, smtp_junk_limit, "100", 1, 10000, "commands without mail (NOOP, RSET, VRFY, EHLO) after which a client is sent away") \
X(TIME, smtp_timeout, "5m", 1, 86400, "a client that sends nothing for this long is sent away") \
X(TIME, smtp_data_timeout, "10m", 1, 86400, "a message's content has to come within this time and 1 second per 500 bytes") \
X(INT, connection_limit, "10000", 1, 1000000, "connections of one worker") \
X(INT, connection_limit_address, "100", 1, 1000000, "connections from one address to one worker") \
X(INT, hop_limit, "50", 5, 1000, "Received headers after which a message is returned as looping") \
X(LIST, relay_from, NULL, 0, 64, "networks (ADDRESS/BITS) whose clients may send to any domain; default: none") \
X(STR, recipient_delimiter, "+", 0, 4, "characters between user and detail; empty: off") \
X(TIME, queue_lifetime, "5d", 60, 2592000, "mail that could not be delivered for this long is returned") \
X(TIME, queue_delay_notice, "4h", 0, 2592000, "the sender is told of a delay after this time; 0: never") \
X(TIME, queue_backoff_min, "5m", 1, 86400, "shortest wait before the next try") \
X(TIME, queue_backoff_max, "1h", 1, 604800, "longest wait before the next try") \
X(INT, destination_concurrency, "20", 1, 1000, "deliveries at a time to one destination") \
X(INT, destination_recipients, "100", 1, 1000, "recipients in one delivery") \
X(INT, queue_window, "2000", 10, 100000, "messages that qmgr holds at a time") \
X(INT, smtp_port, "25", 1, 65535, "port that deliver-remote connects to") \
X(STR, smtp_bind_address, "", 0, 64, "local address of outgoing connections") \
X(TIME, smtp_connect_timeout, "30s", 1, 3600, "outgoing: connection") \
X(TIME, smtp_reply_timeout, "5m", 1, 3600, "outgoing: greeting and replies to EHLO, MAIL, RCPT (RFC 5321 4.5.3.2)") \
X(TIME, smtp_final_timeout, "10m", 1, 3600, "outgoing: reply to the end of the content") \
X(LIST, dns_forwarder, NULL, 0, 8, "name server ADDRESS or ADDRESS@PORT that is asked; default: the roots") \
X(LIST, dns_stub, NULL, 0, 64, "DOMAIN ADDRESS@PORT: the servers of one domain") \
X(LIST, dns_record, NULL, 0, 1000, "a static record, as in a zone file") \
X(LIST, dns_trust_anchor, NULL, 0, 16, "a DS or DNSKEY record; default: no validation") \
X(BOOL, dns_allow_local, "no", 0, 0, "mail exchangers at loopback and unspecified addresses are tried") \
X(SIZE, segment_size, "64m", 8388608, 1073741824, "size of a segment of the spool's log") \
X(SIZE, body_inline_limit, "256k", 1024, 1048576, "larger bodies get a file of their own") \
X(SIZE, spool_reserve, "256m", 0, 1099511627776, "free space below which new mail is answered 452") \
X(SIZE, spool_cache, "64m", 1048576, 68719476736, "memory for the spool's index") \
X(INT, compact_percent, "50", 10, 100, "a segment is compacted when this part of it is dead") \
X(INT, compact_rate, "16", 1, 10000, "MiB a second that compaction may copy") \
X(TIME, delete_within, "7d", 3600, 31536000, "deleted mail is gone from the disk after this time") \
X(TIME, trace_keep, "7d", 3600, 31536000, "how long pabal trace remembers a message") \
X(TIME, history_keep, "90d", 3600, 31536000, "how long expunged UIDs are remembered") \
X(INT, auth_threads, "2", 1, 32, "password checks at a time") \
X(INT, login_failures, "10", 1, 10000, "failed logins of an address or account before further ones are slowed") \
X(TIME, pop3_timeout, "10m", 600, 86400, "idle POP3 sessions end (RFC 1939: at least 10 minutes)") \
X(TIME, imap_timeout, "30m", 1800, 86400, "idle IMAP sessions end (RFC 9051: at least 30 minutes)") \
X(TIME, login_timeout, "1m", 1, 3600, "a login has to come within this time") \
X(SIZE, imap_literal_limit, "64m", 65536, 2147483648u, "largest literal of an APPEND; message_size_limit holds as well") \
X(TIME, stop_timeout, "10s", 1, 600, "how long a stop or reload waits for what is in flight")

struct conf_list { char **v; unsigned n; };

#define CONF_FIELD_STR(n) const char *n;
#define CONF_FIELD_PATH(n) const char *n;
#define CONF_FIELD_BOOL(n) bool n;
#define CONF_FIELD_INT(n) uint64_t n;
#define CONF_FIELD_SIZE(n) uint64_t n;
#define CONF_FIELD_TIME(n) uint64_t n;
#define CONF_FIELD_LIST(n) struct conf_list n;
#define CONF_FIELD(type, name, def, min, max, help) CONF_FIELD_##type(name)

struct conf {
	CONF_OPTIONS(CONF_FIELD)
	struct arena *arena;    /* owns the texts */
	struct slice text;      /* what it was parsed from */
};

enum conf_listen_service { LISTEN_SMTP, LISTEN_SUBMISSION, LISTEN_SUBMISSIONS, LISTEN_POP3, LISTEN_POP3S, LISTEN_IMAP,
	LISTEN_IMAPS, LISTEN_COUNT };
struct conf_service {
	const char *name;       /* as in a listen line */
	const char *role;       /* the program that serves it */
	bool tls;               /* TLS from the first byte */
};
extern const struct conf_service conf_services[LISTEN_COUNT];

/* Parses text (of the file named in messages). Every error becomes a line "FILE:LINE: what"
 * in errors; 0 only if there was none. *c_r is set even with errors as far as it went; free it. */
int conf_parse(struct conf **c_r, const char *file, struct slice text, struct buf *errors) MUST_CHECK;
/* Reads the file and parses it. */
int conf_load(struct conf **c_r, const char *path, struct buf *errors) MUST_CHECK;
void conf_free(struct conf **c);
/* "name = value" of every option, defaults too, in the table's order (pabal check -v). */
void conf_print(struct buf *b, const struct conf *c);

/* Splits "smtp 127.0.0.1:25", "imap [::1]:143": 0 or ERR_SYNTAX. host_r holds 64 bytes. */
int conf_listen_parse(const char *text, enum conf_listen_service *svc_r, char host_r[64], uint16_t *port_r) MUST_CHECK;
/* A line of tls_policy; slices of text. names: after verify, parted by white space, empty: the host's own. ERR_SYNTAX. */
enum conf_tls_level { CONF_TLS_NONE, CONF_TLS_MAY, CONF_TLS_ENCRYPT, CONF_TLS_VERIFY };
struct conf_tls_policy { struct slice domain, names; enum conf_tls_level level; };
int conf_tls_policy_parse(struct slice text, struct conf_tls_policy *p_r) MUST_CHECK;
/* The policy for mail to the domain: its own line, else that of "*", else may. */
struct conf_tls_policy conf_tls_policy_of(const struct conf *c, struct slice domain);
/* Is the address (text) in one of the networks? Wrong networks are refused at parse time. */
bool conf_network_match(const struct conf_list *nets, const char *addr);

/* The table itself, for pabal check, the man page test and completion. */
struct conf_option { const char *name, *type, *def, *help; uint64_t min, max; };
extern const struct conf_option conf_options[];
extern const unsigned conf_options_n;

#endif
