#include "common/mail/date.h"

#include "common/base/strnum.h"
#include "common/mail/header.h"

enum { DAY_S = 86400, ZONE_MAX = 24 * 60 - 1 };
/* 1900-01-01 and 9999-12-31: what is outside prints as 1970 */
static const int64_t TIME_MIN = -2208988800, TIME_MAX = 253402300799;

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "ThuFriSatSunMonTueWed";    /* 1970-01-01 was a Thursday */

struct civil {
	int64_t year;
	unsigned month, day;    /* 1-12, 1-31 */
};

/* Days since 1970 of a date of the proleptic Gregorian calendar: years begin in March, eras have 400. */
static int64_t days_of(struct civil d)
{
	int64_t y = d.month <= 2 ? d.year - 1 : d.year;
	int64_t era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (int64_t)(d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + (int64_t)d.day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_of(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil d;

	d.day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	d.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	d.year = yoe + era * 400 + (d.month <= 2);
	return d;
}

static bool civil_valid(struct civil d)
{
	static const uint8_t len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;

	if (d.year < 1900 || d.year > 9999 || d.month < 1 || d.month > 12)
		return false;
	return d.day >= 1 && d.day <= len[d.month - 1] + (unsigned)(leap && d.month == 2);
}

/* 1 to 12 by the first three letters of s, or 0. */
static unsigned month_of(struct slice s)
{
	for (unsigned m = 0; m < 12; m++)
		if (s.len >= 3 && slice_ieq(slice_sub(s, 0, 3), slice_of(months + 3 * m, 3)))
			return m + 1;
	return 0;
}

int64_t mail_date_days(int64_t sec, int zone)
{
	int64_t t = sec + (int64_t)zone * 60;

	return t >= 0 ? t / DAY_S : -((-t + DAY_S - 1) / DAY_S);
}

/* ---- RFC 5322 --------------------------------------------------------------- */

/* What has been seen so far. */
struct date_parse {
	struct civil d;
	bool has_year, has_time, has_zone;
	uint32_t h, m, s;
	int zone;
};

/* Folding, spaces, commas and nested comments. */
static void skip_between(struct cursor *c)
{
	header_skip_cfws(c, SLICE_LIT(" \t\r\n,"));
}

static int take_time(struct cursor *c, uint32_t hour, struct date_parse *p)
{
	uint64_t frac;
	int r;

	p->h = hour;
	p->s = 0;
	if ((r = cur_take_u32(c, 59, &p->m)) != 0)
		return r;
	if (cur_take_byte(c, ':')) {
		if ((r = cur_take_u32(c, 60, &p->s)) != 0)
			return r;
		if (cur_take_byte(c, '.') && (r = cur_take_u64(c, UINT64_MAX, &frac)) != 0)
			return r;
	}
	p->has_time = true;
	return p->h <= 23 ? 0 : ERR_SYNTAX;
}

static int take_number(struct cursor *c, struct date_parse *p)
{
	size_t start = c->off, digits;
	uint32_t v;
	int r;

	if ((r = cur_take_u32(c, 9999, &v)) != 0)
		return r;
	digits = c->off - start;
	if (!p->has_time && cur_take_byte(c, ':'))
		return take_time(c, v, p);
	if (p->d.day == 0 && digits <= 2) {
		p->d.day = v;
		return 0;
	}
	if (p->has_year)
		return ERR_SYNTAX;
	p->d.year = digits > 3 ? v : digits == 2 && v < 50 ? 2000 + (int64_t)v : 1900 + (int64_t)v;
	p->has_year = true;
	return 0;
}

static int zone_minutes(uint32_t hhmm, bool west, int *zone_r)
{
	int z = (int)(hhmm / 100 * 60 + hhmm % 100);

	if (hhmm % 100 > 59 || z > ZONE_MAX)
		return ERR_SYNTAX;
	*zone_r = west ? -z : z;
	return 0;
}

static int take_zone_offset(struct cursor *c, struct date_parse *p)
{
	bool west = cur_peek(c) == '-';
	size_t start = ++c->off;
	uint32_t v, m = 0;
	int r;

	if ((r = cur_take_u32(c, 9999, &v)) != 0)
		return r;
	if (c->off - start <= 2) {    /* "+9", "+09:00" */
		if (cur_take_byte(c, ':') && (r = cur_take_u32(c, 59, &m)) != 0)
			return r;
		v = v * 100 + m;
	}
	if (p->has_zone)
		return 0;
	p->has_zone = true;
	return zone_minutes(v, west, &p->zone);
}

static int take_word(struct cursor *c, struct date_parse *p)
{
	static const struct { char name[4]; int zone; } zones[] = {
		{ "EST", -300 }, { "EDT", -240 }, { "CST", -360 }, { "CDT", -300 },
		{ "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
	};
	struct slice w;
	int r;

	if ((r = cur_take_class(c, CC_ALPHA, 32, &w)) != 0)
		return r;
	if (p->d.month == 0 && (p->d.month = month_of(w)) != 0)
		return 0;
	if (!p->has_time || p->has_zone)
		return 0;    /* the day's name, or words after the zone */
	for (size_t i = 0; i < ARRAY_LEN(zones); i++)
		if (slice_ieq_cstr(w, zones[i].name)) {
			p->zone = zones[i].zone;
			p->has_zone = true;
		}
	return 0;
}

int mail_date_parse(struct slice s, int64_t *sec_r, int *zone_r)
{
	struct cursor c = cursor_of(s);
	struct date_parse p = { .zone = 0 };
	bool complete = false;
	int ch, r = 0;

	for (skip_between(&c); r == 0 && (ch = cur_peek(&c)) >= 0; skip_between(&c)) {
		complete = p.d.day != 0 && p.d.month != 0 && p.has_year && p.has_time;
		if (is_class((uint8_t)ch, CC_DIGIT))
			r = take_number(&c, &p);
		else if (is_class((uint8_t)ch, CC_ALPHA))
			r = take_word(&c, &p);
		else if (p.has_time && (ch == '+' || ch == '-'))
			r = take_zone_offset(&c, &p);
		else if (ch == '-' || ch == '.' || ch == '/')
			c.off++;
		else
			r = ERR_SYNTAX;
	}
	/* rubbish behind a whole date and time is forgiven */
	if ((r != 0 && !complete) || !p.has_year || !civil_valid(p.d))
		return ERR_SYNTAX;
	*zone_r = p.zone;
	*sec_r = days_of(p.d) * DAY_S + (int64_t)p.h * 3600 + (int64_t)p.m * 60 + (int64_t)p.s - (int64_t)p.zone * 60;
	return 0;
}

struct local_time {
	struct civil d;
	unsigned weekday, h, m, s, zone_abs;
	char zone_sign;
};

static struct local_time local_of(int64_t sec, int zone)
{
	int64_t days, in_day;
	struct local_time t;

	if (zone > ZONE_MAX || zone < -ZONE_MAX)
		zone = 0;
	if (sec > TIME_MAX || sec < TIME_MIN)
		sec = 0;
	days = mail_date_days(sec, zone);
	in_day = sec + (int64_t)zone * 60 - days * DAY_S;
	t.d = civil_of(days);
	t.weekday = (unsigned)((days % 7 + 7) % 7);
	t.h = (unsigned)(in_day / 3600);
	t.m = (unsigned)(in_day / 60 % 60);
	t.s = (unsigned)(in_day % 60);
	t.zone_sign = zone < 0 ? '-' : '+';
	t.zone_abs = (unsigned)(zone < 0 ? -zone : zone);
	return t;
}

void mail_date_format(struct buf *b, int64_t sec, int zone)
{
	struct local_time t = local_of(sec, zone);

	buf_addf(b, "%.3s, %u %.3s %04lld %02u:%02u:%02u %c%02u%02u", weekdays + 3 * t.weekday, t.d.day,
	    months + 3 * (t.d.month - 1), (long long)t.d.year, t.h, t.m, t.s, t.zone_sign, t.zone_abs / 60, t.zone_abs % 60);
}

/* ---- IMAP ------------------------------------------------------------------- */

void mail_imap_datetime_format(struct buf *b, int64_t sec, int zone)
{
	struct local_time t = local_of(sec, zone);

	buf_addf(b, "%2u-%.3s-%04lld %02u:%02u:%02u %c%02u%02u", t.d.day, months + 3 * (t.d.month - 1),
	    (long long)t.d.year, t.h, t.m, t.s, t.zone_sign, t.zone_abs / 60, t.zone_abs % 60);
}

/* Exactly n digits. */
static int take_digits(struct cursor *c, size_t n, uint32_t *v_r)
{
	struct slice s;
	int r;

	if ((r = cur_take_n(c, n, &s)) != 0)
		return r;
	return slice_to_u32(s, 9999, v_r);
}

/* "-Mon-yyyy" after the day. */
static int take_imap_month_year(struct cursor *c, struct civil *d)
{
	struct slice mon;
	uint32_t year;
	int r;

	if (!cur_take_byte(c, '-') || cur_take_n(c, 3, &mon) != 0 || !cur_take_byte(c, '-'))
		return ERR_SYNTAX;
	if ((r = take_digits(c, 4, &year)) != 0)
		return r;
	d->month = month_of(mon);
	d->year = year;
	return civil_valid(*d) ? 0 : ERR_SYNTAX;
}

int mail_imap_date_parse(struct slice s, int64_t *days_r)
{
	struct cursor c = cursor_of(s);
	struct slice day;
	struct civil d = { .year = 0 };

	if (cur_take_class(&c, CC_DIGIT, 2, &day) != 0 || slice_to_u32(day, 31, &d.day) != 0)
		return ERR_SYNTAX;
	if (take_imap_month_year(&c, &d) != 0 || cur_end(&c) != 0)
		return ERR_SYNTAX;
	*days_r = days_of(d);
	return 0;
}

int mail_imap_datetime_parse(struct slice s, int64_t *sec_r, int *zone_r)
{
	struct cursor c = cursor_of(s);
	struct civil d = { .year = 0 };
	uint32_t h, m, sec, zone;
	bool west;
	int r;

	(void)cur_take_byte(&c, ' ');
	if (take_digits(&c, 2 - c.off, &d.day) != 0 || take_imap_month_year(&c, &d) != 0)
		return ERR_SYNTAX;
	if (!cur_take_byte(&c, ' ') || take_digits(&c, 2, &h) != 0 || !cur_take_byte(&c, ':') ||
	    take_digits(&c, 2, &m) != 0 || !cur_take_byte(&c, ':') || take_digits(&c, 2, &sec) != 0 ||
	    !cur_take_byte(&c, ' '))
		return ERR_SYNTAX;
	west = cur_take_byte(&c, '-');
	if (!west && !cur_take_byte(&c, '+'))
		return ERR_SYNTAX;
	if (take_digits(&c, 4, &zone) != 0 || cur_end(&c) != 0 || h > 23 || m > 59 || sec > 60)
		return ERR_SYNTAX;
	if ((r = zone_minutes(zone, west, zone_r)) != 0)
		return r;
	*sec_r = days_of(d) * DAY_S + (int64_t)h * 3600 + (int64_t)m * 60 + (int64_t)sec - (int64_t)*zone_r * 60;
	return 0;
}
