/* Time zones: offsets by name, and TZif files (RFC 8536) with the rule for times behind their last transition.
 * Everything of a file is checked against its length before it is used. */
#include "common/text/time_zone.h"

#include "common/base/error.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_BYTES = 44,
    TRANSITIONS_MAX = 4096,
    TYPES_MAX = 256,
    DAY_S = 86400,
    OFFSET_MAX_S = 18 * 3600, /* ZoneOffset's */
    RULE_HOURS_MAX = 167,
};

/* When a rule's daylight time begins or ends, of each year. */
struct rule_day {
    char kind;            /* 'M', 'J' (1 to 365, no leap day), '0' (0 to 365) */
    int month, week, day; /* of 'M'; else day alone */
    int32_t time_s;       /* of the local day; may be negative or over one */
};

struct time_zone {
    int64_t *at;     /* Owns; n_at transitions, increasing */
    int32_t *offset; /* Owns; n_at + 1: offset[0] is before the first */
    uint32_t n_at;
    bool has_rule, has_daylight;
    int32_t standard_s, daylight_s;
    struct rule_day begin, end;
};

/* ---- the rule behind the last transition ------------------------------------------------------------ */

static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t year_of(int64_t utc_s)
{
    int64_t year = 1970 + utc_s / (365 * (int64_t)DAY_S + DAY_S / 4);
    while (days_of(year, 1, 1) * DAY_S > utc_s) {
        year--;
    }
    while (days_of(year + 1, 1, 1) * DAY_S <= utc_s) {
        year++;
    }
    return year;
}

/* The local second of the year's change. */
static int64_t rule_second(const struct rule_day *r, int64_t year)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day;

    if (r->kind == 'M') {
        int64_t first = days_of(year, r->month, 1);
        int week_day = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        int in_month = (r->day - week_day + 7) % 7 + (r->week - 1) * 7;
        int length = lengths[r->month - 1] + (r->month == 2 && is_leap(year));
        day = first + (in_month >= length ? in_month - 7 : in_month);
    } else if (r->kind == 'J') {
        day = days_of(year, 1, 1) + r->day - 1 + (is_leap(year) && r->day >= 60);
    } else {
        day = days_of(year, 1, 1) + r->day;
    }
    return day * DAY_S + r->time_s;
}

static void find_by_rule(const struct time_zone *z, int64_t utc_s, struct time_zone_span *ret)
{
    int64_t year = year_of(utc_s);

    *ret = (struct time_zone_span){INT64_MIN, INT64_MAX, z->standard_s};
    if (!z->has_daylight) {
        return;
    }
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t changes[] = {rule_second(&z->begin, y) - z->standard_s,
                             rule_second(&z->end, y) - z->daylight_s};
        for (int i = 0; i < 2; i++) {
            if (changes[i] <= utc_s && changes[i] >= ret->from_s) {
                ret->from_s = changes[i];
                ret->offset_s = i == 0 ? z->daylight_s : z->standard_s;
            } else if (changes[i] > utc_s) {
                ret->to_s = MIN(ret->to_s, changes[i]);
            }
        }
    }
}

void time_zone_find(const struct time_zone *z, int64_t utc_s, struct time_zone_span *ret)
{
    uint32_t low = 0;
    uint32_t high = z->n_at; /* the first transition behind the time */

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (z->at[mid] <= utc_s) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == z->n_at && z->has_rule) {
        find_by_rule(z, utc_s, ret);
        if (low > 0) {
            ret->from_s = MAX(ret->from_s, z->at[low - 1]);
        }
        return;
    }
    *ret = (struct time_zone_span){low > 0 ? z->at[low - 1] : INT64_MIN,
                                   low < z->n_at ? z->at[low] : INT64_MAX, z->offset[low]};
}

/* ---- parsing a rule: "CET-1CEST,M3.5.0,M10.5.0/3" ----------------------------------------------------- */

static bool take_number(const char **p, int max, int *ret)
{
    int value = 0;
    const char *start = *p;

    for (; **p >= '0' && **p <= '9' && value <= max; (*p)++) {
        value = value * 10 + (**p - '0');
    }
    *ret = value;
    return *p > start && value <= max;
}

static bool take_char(const char **p, char c)
{
    if (**p != c) {
        return false;
    }
    (*p)++;
    return true;
}

static bool take_name(const char **p)
{
    const char *start = *p;

    if (take_char(p, '<')) {
        while (**p != '\0' && **p != '>') {
            (*p)++;
        }
        return take_char(p, '>');
    }
    while ((**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z')) {
        (*p)++;
    }
    return *p >= start + 3;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_time(const char **p, int hours_max, int32_t *ret)
{
    int h = 0;
    int m = 0;
    int s = 0;
    bool negative = **p == '-';

    if (**p == '-' || **p == '+') {
        (*p)++;
    }
    if (!take_number(p, hours_max, &h) ||
        (take_char(p, ':') &&
         (!take_number(p, 59, &m) || (take_char(p, ':') && !take_number(p, 59, &s))))) {
        return false;
    }
    *ret = (h * 3600 + m * 60 + s) * (negative ? -1 : 1);
    return true;
}

static bool take_rule_day(const char **p, struct rule_day *ret)
{
    *ret = (struct rule_day){.kind = '0', .time_s = 2 * 3600};
    if (!take_char(p, ',')) {
        return false;
    }
    if (take_char(p, 'M')) {
        ret->kind = 'M';
        if (!take_number(p, 12, &ret->month) || ret->month == 0 || !take_char(p, '.') ||
            !take_number(p, 5, &ret->week) || ret->week == 0 || !take_char(p, '.') ||
            !take_number(p, 6, &ret->day)) {
            return false;
        }
    } else {
        ret->kind = take_char(p, 'J') ? 'J' : '0';
        if (!take_number(p, 365, &ret->day) || (ret->kind == 'J' && ret->day == 0)) {
            return false;
        }
    }
    return !take_char(p, '/') || take_time(p, RULE_HOURS_MAX, &ret->time_s);
}

static bool parse_rule(struct time_zone *z, const char *p)
{
    int32_t west = 0;

    if (!take_name(&p) || !take_time(&p, 24, &west)) {
        return false;
    }
    z->standard_s = -west;
    z->has_rule = true;
    if (*p == '\0') {
        return true;
    }
    z->has_daylight = true;
    z->daylight_s = z->standard_s + 3600;
    if (!take_name(&p)) {
        return false;
    }
    if (*p != ',' && *p != '\0') {
        if (!take_time(&p, 24, &west)) {
            return false;
        }
        z->daylight_s = -west;
    }
    return take_rule_day(&p, &z->begin) && take_rule_day(&p, &z->end) && *p == '\0';
}

/* ---- parsing a file ------------------------------------------------------------------------------------ */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int damaged(const char *what, struct error *err)
{
    return error_set(err, ERR_PARSE, "a damaged file of a time zone: %s", what);
}

/* The counts of a header, and how long its data block is with times of so many bytes. */
struct block {
    uint32_t n_utc, n_standard, n_leap, n_at, n_types, n_chars;
    uint64_t bytes;
};

static int read_header(struct slice *rest, uint32_t time_bytes, struct block *ret,
                       struct error *err)
{
    const uint8_t *p = (const uint8_t *)rest->data;

    if (rest->len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0) {
        return damaged("it does not begin with TZif", err);
    }
    *ret = (struct block){be32(p + 20), be32(p + 24), be32(p + 28),
                          be32(p + 32), be32(p + 36), be32(p + 40)};
    ret->bytes = (uint64_t)ret->n_at * (time_bytes + 1) + (uint64_t)ret->n_types * 6 +
                 ret->n_chars + (uint64_t)ret->n_leap * (time_bytes + 4) + ret->n_standard +
                 ret->n_utc;
    *rest = slice_make(rest->data + HEADER_BYTES, rest->len - HEADER_BYTES);
    return ret->bytes > rest->len ? damaged("it is too short", err) : 0;
}

static int read_block(struct time_zone *z, const uint8_t *p, const struct block *b,
                      struct error *err)
{
    const uint8_t *indexes = p + (size_t)b->n_at * 8;
    const uint8_t *types = indexes + b->n_at;

    if (b->n_at > TRANSITIONS_MAX || b->n_types == 0 || b->n_types > TYPES_MAX) {
        return damaged("its counts", err);
    }
    z->n_at = b->n_at;
    z->at = MEM_NEW_ARRAY(int64_t, (size_t)b->n_at + 1);
    z->offset = MEM_NEW_ARRAY(int32_t, (size_t)b->n_at + 1);
    z->offset[0] = (int32_t)be32(types);
    for (uint32_t i = 0; i < b->n_at; i++) {
        z->at[i] = be64(p + (size_t)i * 8);
        if (indexes[i] >= b->n_types || (i > 0 && z->at[i] <= z->at[i - 1])) {
            return damaged("its transitions", err);
        }
        z->offset[i + 1] = (int32_t)be32(types + (size_t)indexes[i] * 6);
    }
    for (uint32_t i = 0; i <= b->n_at; i++) {
        if (z->offset[i] < -26 * 3600 || z->offset[i] > 26 * 3600) {
            return damaged("its offsets", err);
        }
    }
    return 0;
}

static int parse_tzif(struct time_zone *z, struct slice rest, struct error *err)
{
    struct block b;
    char rule[256];

    if (rest.len > 4 && rest.data[4] < '2') {
        return damaged("it is of version 1, without times behind 2038", err);
    }
    TRY(read_header(&rest, 4, &b, err));
    rest = slice_make(rest.data + b.bytes, rest.len - b.bytes);
    TRY(read_header(&rest, 8, &b, err));
    TRY(read_block(z, (const uint8_t *)rest.data, &b, err));
    rest = slice_make(rest.data + b.bytes, rest.len - b.bytes);
    if (rest.len < 2 || rest.data[0] != '\n') {
        return damaged("its last line", err);
    }
    const char *end = memchr(rest.data + 1, '\n', rest.len - 1);
    size_t n = end != NULL ? (size_t)(end - rest.data - 1) : sizeof(rule);
    if (n >= sizeof(rule)) {
        return damaged("its last line", err);
    }
    memcpy(rule, rest.data + 1, n);
    rule[n] = '\0';
    return n == 0 || parse_rule(z, rule) ? 0 : damaged("its rule", err);
}

int time_zone_parse(struct slice tzif, struct time_zone **ret_zone, struct error *err)
{
    struct time_zone *z = MEM_NEW(struct time_zone);
    int rc = parse_tzif(z, tzif, err);

    if (rc < 0) {
        time_zone_free(z);
        return rc;
    }
    *ret_zone = z;
    return 0;
}

struct time_zone *time_zone_free(struct time_zone *z)
{
    if (z != NULL) {
        mem_free(z->at);
        mem_free(z->offset);
        mem_free(z);
    }
    return NULL;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static struct time_zone *fixed(int32_t offset_s)
{
    struct time_zone *z = MEM_NEW(struct time_zone);

    z->has_rule = true;
    z->standard_s = offset_s;
    return z;
}

/* "Z", "UTC", "GMT", "UT", each with an offset behind it or not, or an offset alone. */
static bool parse_fixed(const char *name, struct time_zone **ret)
{
    static const char *const prefixes[] = {"UTC", "GMT", "UT", "Z"};
    const char *p = name;
    int32_t offset = 0;

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (cstr_starts_with(p, prefixes[i])) {
            p += strlen(prefixes[i]);
            break;
        }
    }
    if (p == name && *p != '+' && *p != '-') {
        return false;
    }
    if (*p != '\0' && ((*p != '+' && *p != '-') || !take_time(&p, 18, &offset) || *p != '\0' ||
                       offset > OFFSET_MAX_S || offset < -OFFSET_MAX_S)) {
        return false;
    }
    *ret = fixed(offset);
    return true;
}

static int read_file(const char *path, struct str *ret, struct error *err)
{
    FILE *f = fopen(path, "rbe");
    size_t n = 0;

    if (f == NULL) {
        return error_set(err, ERR_NOT_FOUND, "there is no %s", path);
    }
    str_reserve(ret, TIME_ZONE_FILE_MAX + 1);
    n = fread(ret->data, 1, TIME_ZONE_FILE_MAX + 1, f);
    (void)fclose(f);
    ret->len = n;
    return n > TIME_ZONE_FILE_MAX ? error_set(err, ERR_TOO_LARGE, "%s is no time zone", path) : 0;
}

static int open_file(const char *path, struct time_zone **ret, struct error *err)
{
    STR_AUTO bytes = STR_INIT;

    TRY(read_file(path, &bytes, err));
    TRY_CTX(err, time_zone_parse(str_slice(&bytes), ret, err), "reading %s", path);
    return 0;
}

static bool is_zone_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '/' || strlen(name) > TIME_ZONE_NAME_MAX ||
        strstr(name, "..") != NULL) {
        return false;
    }
    for (const char *p = name; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        if (!letter && !(*p >= '0' && *p <= '9') && strchr("_+-/", *p) == NULL) {
            return false;
        }
    }
    return true;
}

static int open_named(const char *name, struct time_zone **ret, struct error *err)
{
    const char *folder = getenv("TZDIR");
    STR_AUTO path = STR_INIT;

    if (!is_zone_name(name)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "'%s' is no time zone; name one as in Europe/Berlin, UTC or +02:00", name);
    }
    str_printf(&path, "%s/%s", folder != NULL && folder[0] != '\0' ? folder : "/usr/share/zoneinfo",
               name);
    int rc = open_file(str_cstr(&path), ret, NULL);
    return rc == 0 ? 0
                   : error_set(err, ERR_NOT_FOUND,
                               "the time zone '%s' is not known here (%s); check its name, and "
                               "that the package tzdata is installed",
                               name, str_cstr(&path));
}

static int open_local(struct time_zone **ret, struct error *err)
{
    const char *tz = getenv("TZ");

    if (tz != NULL && tz[0] != '\0') {
        tz += tz[0] == ':';
        if (tz[0] == '/') {
            return open_file(tz, ret, err);
        }
        if (parse_fixed(tz, ret)) {
            return 0;
        }
        if (open_named(tz, ret, NULL) == 0) {
            return 0;
        }
        struct time_zone *z = MEM_NEW(struct time_zone);
        if (parse_rule(z, tz)) {
            *ret = z;
            return 0;
        }
        time_zone_free(z);
        return open_named(tz, ret, err);
    }
    if (open_file("/etc/localtime", ret, NULL) < 0) {
        *ret = fixed(0);
    }
    return 0;
}

int time_zone_open(const char *name, struct time_zone **ret_zone, struct error *err)
{
    if (name == NULL || name[0] == '\0') {
        return open_local(ret_zone, err);
    }
    return parse_fixed(name, ret_zone) ? 0 : open_named(name, ret_zone, err);
}
