/* Dates and times as text by a pattern, as Java's DateTimeFormatter: letters y u M d D H m s S in runs, text in
 * single quotes ('' is a quote), other characters as they are.
 *
 *   yyyy, uuuu year    yy its last two digits    MM M month    dd d day    DDD day of year
 *   HH H hour    mm m minute    ss s second    S.. fraction
 *
 * Thread: one owner (it remembers the last offset of its zone).  Flink: DateTimeBucketAssigner. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_DATE_PATTERN_H
#define FLINC_ENGINE_OPERATORS_FILES_DATE_PATTERN_H

#include "common/text/time_zone.h"

enum { DATE_PATTERN_MAX = 255 };

/* ERR_INVALID_ARGUMENT says which letter is not known, or what is not closed. */
int date_pattern_check(const char *pattern, struct error *err) MUST_CHECK;

struct date_pattern {
    char *pattern;          /* Owns */
    struct time_zone *zone; /* Owns */
    struct time_zone_span span;
    int64_t unit_ms; /* of its finest letter */
};
/* `zone` as time_zone_open() takes it. */
int date_pattern_init(struct date_pattern *p, const char *pattern, const char *zone,
                      struct error *err) MUST_CHECK;
void date_pattern_fini(struct date_pattern *p); /* safe on a zeroed struct */
/* The number of the unit that a time lies in: times of one unit have one text. */
int64_t date_pattern_unit(struct date_pattern *p, int64_t time_ms);
/* Appends the text of a unit. */
void date_pattern_append(const struct date_pattern *p, int64_t unit, struct str *out);

#endif
