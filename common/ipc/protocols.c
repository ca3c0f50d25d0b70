/* The encoders, decoders and printers of all internal protocols, made from their tables. */
#define WIRE_IMPLEMENT_HERE
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_dns.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"
