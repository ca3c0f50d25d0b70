#ifndef PABAL_SMTPD_SERVER_H
#define PABAL_SMTPD_SERVER_H

#include "common/daemon/daemon.h"

/*
 * What is around the sessions of one smtpd: connections, spoold, accountd. It
 * does what a session wants and feeds the answers back; of SMTP it knows nothing
 * but the 421 for a client that finds no place.
 */
extern const struct daemon_spec smtp_server_spec;

#endif
