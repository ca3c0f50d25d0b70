#ifndef PABAL_IMAPD_SEQSET_H
#define PABAL_IMAPD_SEQSET_H

#include "imapd/parse.h"

/*
 * Sequence sets, RFC 3501 9: "2,4:7,9,12:*". Kept as ranges, never as numbers,
 * so that 1:4294967295 costs as much as 1:2.
 */
enum { IMAP_SET_MAX = 20000 };

/* UINT32_MAX stands for '*' where star is set; first may be over last until it is resolved. */
struct imap_range { uint32_t first, last; bool first_star, last_star; };
struct imap_set { struct imap_range *v; uint32_t n; };

int imap_take_set(struct imap_parse *p, struct imap_set *set_r) MUST_CHECK;

/* Sorted, disjoint, merged ranges [first, last]; made in place from v. Returns how many. */
uint32_t imap_ranges_normalise(struct spool_range *v, uint32_t n);
/* "1:3,7" */
void imap_ranges_print(struct buf *b, const struct spool_range *v, uint32_t n);

#endif
