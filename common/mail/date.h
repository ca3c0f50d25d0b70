#ifndef PABAL_MAIL_DATE_H
#define PABAL_MAIL_DATE_H

#include "common/base/buf.h"

/*
 * Dates of messages and of IMAP. Times are seconds since 1970 UTC, may be
 * negative; zones are minutes east of UTC; days count from 1970-01-01.
 * Years 1900 to 9999.
 */

/*
 * The Date: field, RFC 5322 3.3 and 4.3, and what real mail does to it:
 *	[ day-name "," ] day month year [ hour ":" minute [ ":" second ] ] [ zone ]
 * in nearly any order, folded and with comments, '-' between the date's parts,
 * years of two and three digits, named zones (UT GMT EST EDT CST CDT MST MDT
 * PST PDT; others and the military ones count as +0000), no zone (+0000), no
 * time (midnight), second 60. ERR_SYNTAX when no date can be read.
 */
int mail_date_parse(struct slice s, int64_t *sec_r, int *zone_r) MUST_CHECK;
/* "Tue, 24 Nov 2026 18:26:40 +0000" */
void mail_date_format(struct buf *b, int64_t sec, int zone);

/* RFC 9051 date-time without its quotes: "24-Nov-2026 18:26:40 +0000", the day with a space for a leading zero. */
int mail_imap_datetime_parse(struct slice s, int64_t *sec_r, int *zone_r) MUST_CHECK;
void mail_imap_datetime_format(struct buf *b, int64_t sec, int zone);
/* RFC 9051 date-text: "1-Feb-2026", one or two digits. */
int mail_imap_date_parse(struct slice s, int64_t *days_r) MUST_CHECK;

/* The day on which sec falls in that zone. */
int64_t mail_date_days(int64_t sec, int zone);

#endif
