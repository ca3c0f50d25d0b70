#ifndef PABAL_IPC_PROTO_MASTER_H
#define PABAL_IPC_PROTO_MASTER_H

#include "common/ipc/channel.h"
#include "common/ipc/wire.h"

/* "master": master <-> its children (descriptor 3), and the pabal command <-> master. */
enum { PROTO_MASTER_MAJOR = 1, PROTO_MASTER_MINOR = 0 };

/* ---- master -> child ---- */
#define MASTER_CONFIG_FIELDS(X) X##_STR(file, 4096) X##_BYTES(text, 1048576) \
	X##_U32(instance) X##_U32(uid) X##_U32(gid) X##_U8(privileged) X##_STR(root, 4096) \
	X##_STR(hostname, 255) X##_SECRET(secret, 32)
IPC_MESSAGE(master_config, 1, MASTER_CONFIG_FIELDS)     /* fd: the process's own directory, or none */
#define MASTER_PEER_FIELDS(X) X##_U8(role) X##_U32(instance) X##_U32(uid) X##_U8(is_server) X##_STR(proto, 32) \
	X##_U32(link)
IPC_MESSAGE(master_peer, 2, MASTER_PEER_FIELDS)         /* fd: the channel; is_server: this end serves; link: its number */
#define MASTER_LISTENER_FIELDS(X) X##_U8(service) X##_STR(address, 64)
IPC_MESSAGE(master_listener, 3, MASTER_LISTENER_FIELDS) /* fd: the listening socket */
#define MASTER_CONTROL_SOCKET_FIELDS(X) X##_U32(admin_gid)
IPC_MESSAGE(master_control_socket, 4, MASTER_CONTROL_SOCKET_FIELDS) /* fd: listening Unix socket */
#define MASTER_GO_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(master_go, 5, MASTER_GO_FIELDS)
#define MASTER_RELOAD_FIELDS(X) X##_STR(file, 4096) X##_BYTES(text, 1048576) X##_STR(hostname, 255)
IPC_MESSAGE(master_reload, 6, MASTER_RELOAD_FIELDS)     /* the new configuration, checked by master; fd: the log file opened anew, or none */
#define MASTER_STOP_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(master_stop, 7, MASTER_STOP_FIELDS)
/* ---- child -> master ---- */
#define MASTER_READY_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(master_ready, 16, MASTER_READY_FIELDS)
#define MASTER_RELOADED_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(master_reloaded, 17, MASTER_RELOADED_FIELDS)
/* A channel that master gave closed: if both ends still live it gives them a new one. */
#define MASTER_LOST_FIELDS(X) X##_U32(link)
IPC_MESSAGE(master_lost, 18, MASTER_LOST_FIELDS)
/* ---- pabal command -> master, on the control socket "master" ---- */
#define MASTER_STATUS_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(master_status, 32, MASTER_STATUS_FIELDS)
#define MASTER_PROC_FIELDS(X) X##_STR(name, 32) X##_U32(instance) X##_U32(pid) X##_STR(state, 32) \
	X##_U64(started) X##_U32(restarts)
WIRE_DECLARE(master_proc, MASTER_PROC_FIELDS)
#define MASTER_STATUS_REPLY_FIELDS(X) X##_STR(state, 32) X##_STR(hostname, 255) X##_U32(pid) X##_U64(started) X##_STR(version, 64) \
	X##_LIST(master_proc, procs, 1000)
IPC_MESSAGE(master_status_reply, 33, MASTER_STATUS_REPLY_FIELDS)
#define MASTER_DO_FIELDS(X) X##_STR(verb, 16)           /* stop, reload */
IPC_MESSAGE(master_do, 34, MASTER_DO_FIELDS)
#define MASTER_DONE_FIELDS(X) X##_U8(ok) X##_STR(text, 65536)
IPC_MESSAGE(master_done, 35, MASTER_DONE_FIELDS)

#endif
