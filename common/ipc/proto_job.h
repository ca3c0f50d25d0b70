#ifndef PABAL_IPC_PROTO_JOB_H
#define PABAL_IPC_PROTO_JOB_H

#include "common/ipc/channel.h"
#include "common/ipc/proto_spool.h"
#include "common/ipc/wire.h"

/* "job": qmgr gives work to deliver-local and deliver-remote (which are the clients
 * of the connection: they say how much they can carry). One job is one message to one
 * destination with some of its recipients. */
enum { PROTO_JOB_MAJOR = 1, PROTO_JOB_MINOR = 0 };

/* agent -> qmgr, after HELLO: jobs it works on at a time. */
#define JOB_CAPACITY_FIELDS(X) X##_U32(jobs)
IPC_MESSAGE(job_capacity, 1, JOB_CAPACITY_FIELDS)
/* qmgr -> agent, a request; answered by job_result when every recipient has its outcome. */
#define JOB_RCPT_FIELDS(X) X##_U32(index) X##_STR(addr, SPOOL_ADDR_MAX) X##_STR(orcpt, SPOOL_ADDR_MAX) X##_U8(notify)
WIRE_DECLARE(job_rcpt, JOB_RCPT_FIELDS)
#define JOB_FIELDS(X) X##_U64(msgid) X##_BYTES(token, SPOOL_TOKEN_MAX) X##_STR(destination, 255) X##_STR(sender, SPOOL_ADDR_MAX) \
	X##_U64(created) X##_U64(size) X##_U32(relay_off) X##_U32(body_flags) X##_STR(envid, 128) X##_U8(ret) \
	X##_LIST(job_rcpt, rcpts, SPOOL_RCPTS_MAX)
IPC_MESSAGE(job, 2, JOB_FIELDS)
/* kind: done (delivered or handed over), deferred, bounced. recorded: the agent had spoold record it already
 * (deliver-local: done). A local fault is always deferred. relay: "host[ip]:port", "local" for a mailbox here,
 * JOB_RELAY_FORWARD when the recipient led to further recipients of the message. tls: how the relay was spoken to,
 * "none" or "TLSv1.3/TLS_AES_256_GCM_SHA384 (verified)"; empty: there was no connection. */
#define JOB_RELAY_FORWARD "forward"
#define JOB_TLS_MAX 128
enum { OUTCOME_DONE = 1, OUTCOME_DEFERRED = 2, OUTCOME_BOUNCED = 3 };
#define JOB_OUTCOME_FIELDS(X) X##_U32(index) X##_U8(kind) X##_U8(recorded) X##_STR(status, 16) X##_STR(text, SPOOL_TEXT_MAX) X##_STR(relay, 512) \
	X##_STR(tls, JOB_TLS_MAX)
WIRE_DECLARE(job_outcome, JOB_OUTCOME_FIELDS)
/* reachable 0: the destination could not be reached at all (counts against its concurrency).
 * delays in milliseconds: connecting, transmission. */
#define JOB_RESULT_FIELDS(X) X##_U8(reachable) X##_U32(connect_ms) X##_U32(send_ms) X##_LIST(job_outcome, outcomes, SPOOL_RCPTS_MAX)
IPC_MESSAGE(job_result, 3, JOB_RESULT_FIELDS)

/* pabal -> qmgr, on the control socket: what it is busy with. */
#define JOB_STATUS_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(job_status, 10, JOB_STATUS_FIELDS)
#define JOB_DEST_FIELDS(X) X##_STR(destination, 255) X##_U32(active) X##_U32(waiting) X##_U32(window) X##_U64(dead_until)
WIRE_DECLARE(job_dest, JOB_DEST_FIELDS)
#define JOB_STATUS_REPLY_FIELDS(X) X##_LIST(job_dest, dests, 10000)
IPC_MESSAGE(job_status_reply, 11, JOB_STATUS_REPLY_FIELDS)

#endif
