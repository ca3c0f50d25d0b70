/* One op, applied: the only way the index changes by what the log says. */
#include "spool/spool_internal.h"

int apply_op(struct apply *ap, const struct spool_op *op)
{
	switch (op->kind) {
	case OP_ACCEPT:
		return apply_accept(ap, &op->accept);
	case OP_OUTCOME:
		return apply_outcome(ap, &op->outcome);
	case OP_DELIVER:
		return apply_deliver(ap, &op->deliver);
	case OP_QUEUE_DO:
		return apply_queue(ap, &op->queue);
	case OP_MAILBOX_CREATE:
		return apply_create(ap, &op->create);
	case OP_MAILBOX_DELETE:
		return apply_delete(ap, &op->delete_);
	case OP_MAILBOX_RENAME:
		return apply_rename(ap, &op->rename);
	case OP_SUBSCRIBE:
		return apply_subscribe(ap, &op->subscribe);
	case OP_APPEND:
		return apply_append(ap, &op->append);
	case OP_STORE:
		return apply_store(ap, &op->store);
	case OP_EXPUNGE:
		return apply_expunge(ap, &op->expunge);
	case OP_COPY:
		return apply_copy(ap, &op->copy);
	case OP_COPY_PART:
		return apply_copy_part(ap, &op->part);
	case OP_COPY_END:
		return apply_copy_end(ap, &op->copy_end);
	case OP_RECENT:
		return apply_recent(ap, &op->recent);
	case OP_ACCOUNT_DELETE:
		return apply_account_delete(ap, &op->account);
	case OP_BODY_MOVED:
		return apply_moved(ap, &op->moved);
	case OP_KIND_END:
		break;
	}
	return ERR_CORRUPT;
}

int prepare_op(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	switch (op->kind) {
	case OP_ACCEPT:
	case OP_OUTCOME:
	case OP_DELIVER:
	case OP_QUEUE_DO:
		return prepare_queue_op(s, op, res_r);
	case OP_BODY_MOVED:
		return op->moved.bodyid != 0 ? 0 : ERR_NOTFOUND;
	default:
		return prepare_mailbox_op(s, op, res_r);
	}
}
