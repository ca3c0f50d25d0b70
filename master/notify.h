#ifndef PABAL_MASTER_NOTIFY_H
#define PABAL_MASTER_NOTIFY_H

/* Tells systemd (NOTIFY_SOCKET) our state: "READY=1", "STOPPING=1", ... Nothing happens without it. */
void notify_send(const char *state);

#endif
