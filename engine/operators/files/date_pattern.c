/* Date-time patterns; see date_pattern.h. */
#include "engine/operators/files/date_pattern.h"
#include "engine/data/civil.h"

#include <stdio.h>

enum { DAY_MS = 86400000 };
#define TIME_MS_MAX INT64_C(8640000000000000) /* 270,000 years */

static const struct letter {
    char letter;
    int max; /* in a run */
    int64_t unit_ms;
} letters[] = {
    {'y', 9, DAY_MS},  {'u', 9, DAY_MS}, {'M', 2, DAY_MS}, {'d', 2, DAY_MS}, {'D', 3, DAY_MS},
    {'H', 2, 3600000}, {'m', 2, 60000},  {'s', 2, 1000},   {'S', 9, 1},
};

static const struct letter *find_letter(char c)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        if (letters[i].letter == c) {
            return &letters[i];
        }
    }
    return NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t run_length(const char *p)
{
    size_t n = 1;
    while (p[n] == *p) {
        n++;
    }
    return n;
}

/* One piece of a pattern: a run of a letter (ret_letter), or text (which is appended).  Returns its length, 0: a quote
 * is not closed. */
static size_t take_piece(const char *p, const struct letter **ret_letter, struct str *text)
{
    *ret_letter = NULL;
    if (is_letter(*p)) {
        *ret_letter = find_letter(*p);
        return run_length(p);
    }
    if (*p != '\'') {
        str_append_char(text, *p);
        return 1;
    }
    if (p[1] == '\'') {
        str_append_char(text, '\'');
        return 2;
    }
    for (size_t i = 1; p[i] != '\0'; i++) {
        if (p[i] != '\'') {
            str_append_char(text, p[i]);
        } else if (p[i + 1] == '\'') {
            str_append_char(text, p[i++]);
        } else {
            return i + 1;
        }
    }
    return 0;
}

int date_pattern_check(const char *pattern, struct error *err)
{
    const struct letter *l;

    if (pattern[0] == '\0' || strlen(pattern) > DATE_PATTERN_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a pattern of dates has 1 to %d characters, as in yyyy-MM-dd--HH",
                         DATE_PATTERN_MAX);
    }
    for (const char *p = pattern; *p != '\0';) {
        STR_AUTO text = STR_INIT;
        size_t n = take_piece(p, &l, &text);
        if (n == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the pattern of dates '%s' has a quote that is not closed", pattern);
        }
        if (is_letter(*p) && l == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the pattern of dates '%s' has the letter '%c'; there are y, u, M, d, "
                             "D, H, m, s and S, and text in single quotes",
                             pattern, *p);
        }
        if (l != NULL && n > (size_t)l->max) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the pattern of dates '%s' has %zu times '%c', of which there may be "
                             "%d: names of months and days are not written",
                             pattern, n, *p, l->max);
        }
        p += n;
    }
    return 0;
}

int date_pattern_init(struct date_pattern *p, const char *pattern, const char *zone,
                      struct error *err)
{
    const struct letter *l;
    STR_AUTO text = STR_INIT;

    *p = (struct date_pattern){.unit_ms = DAY_MS};
    TRY(date_pattern_check(pattern, err));
    TRY(time_zone_open(zone, &p->zone, err));
    p->pattern = mem_strdup(pattern);
    for (const char *at = pattern; *at != '\0'; at += take_piece(at, &l, &text)) {
        l = is_letter(*at) ? find_letter(*at) : NULL;
        p->unit_ms = l != NULL ? MIN(p->unit_ms, l->unit_ms) : p->unit_ms;
    }
    return 0;
}

void date_pattern_fini(struct date_pattern *p)
{
    mem_free(p->pattern);
    p->zone = time_zone_free(p->zone);
    p->pattern = NULL;
}

int64_t date_pattern_unit(struct date_pattern *p, int64_t time_ms)
{
    time_ms = MIN(time_ms, TIME_MS_MAX);
    time_ms = MAX(time_ms, -TIME_MS_MAX);
    int64_t second = civil_floor_divide(time_ms, 1000);

    if (UNLIKELY(second < p->span.from_s || second >= p->span.to_s)) {
        time_zone_find(p->zone, second, &p->span);
    }
    return civil_floor_divide(time_ms + (int64_t)p->span.offset_s * 1000, p->unit_ms);
}

/* ---- text ---------------------------------------------------------------------------------------------- */

struct parts {
    int64_t year;
    int month, day, day_of_year, hour, minute, second, ms;
};

static void split_local(int64_t local_ms, struct parts *ret)
{
    int64_t days = civil_floor_divide(local_ms, DAY_MS);
    int64_t of_day = local_ms - days * DAY_MS;
    struct civil_date d = civil_date_of(days);

    ret->year = d.year;
    ret->month = d.month;
    ret->day = d.day;
    ret->day_of_year = (int)(days - civil_days_of((struct civil_date){d.year, 1, 1})) + 1;
    ret->hour = (int)(of_day / 3600000);
    ret->minute = (int)(of_day / 60000 % 60);
    ret->second = (int)(of_day / 1000 % 60);
    ret->ms = (int)(of_day % 1000);
}

static void append_letter(const struct parts *t, char letter, size_t n, struct str *out)
{
    char digits[16];
    int64_t v = t->year;

    switch (letter) {
    case 'M':
        v = t->month;
        break;
    case 'd':
        v = t->day;
        break;
    case 'D':
        v = t->day_of_year;
        break;
    case 'H':
        v = t->hour;
        break;
    case 'm':
        v = t->minute;
        break;
    case 's':
        v = t->second;
        break;
    case 'S':
        snprintf(digits, sizeof(digits), "%03d000000", t->ms);
        str_append(out, digits, n);
        return;
    default:
        if (n == 2) {
            v = (v % 100 + 100) % 100;
        }
        break;
    }
    str_printf(out, "%0*lld", (int)n, (long long)v);
}

void date_pattern_append(const struct date_pattern *p, int64_t unit, struct str *out)
{
    const struct letter *l;
    struct parts parts;

    split_local(unit * p->unit_ms, &parts);
    for (const char *at = p->pattern; *at != '\0';) {
        size_t n = take_piece(at, &l, out);
        if (l != NULL) {
            append_letter(&parts, l->letter, n, out);
        }
        at += n;
    }
}
