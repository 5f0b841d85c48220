/* Patterns of dates and times: "yyyy-MM-dd HH:mm:ss", compiled once, for printing and for parsing.
 *
 * Two dialects, as Flink's functions have two engines behind them: java.time's DateTimeFormatter (digits as many as written, a day
 * behind the month's last one is cut to it, the whole text has to match) and SimpleDateFormat (lenient: fields roll over, what
 * follows is left aside).  Names are English, weeks begin on Sunday, the week with January 1 is the first.  Names of zones
 * print as offsets ("GMT+1").  Differs from Java: no Julian calendar before 1582.
 * Thread: any; a pattern does not change. */
#ifndef FLINC_ENGINE_PATTERNS_TIME_PATTERN_H
#define FLINC_ENGINE_PATTERNS_TIME_PATTERN_H

#include "common/base/str.h"

enum {
    TIME_PATTERN_ITEMS_MAX = 256, /* letters and texts of one pattern */
    TIME_PATTERN_ITEM_BYTES = 64, /* that an item prints, texts aside */
};

enum time_dialect {
    TIME_DIALECT_FORMATTER, /* java.time.format.DateTimeFormatter.ofPattern */
    TIME_DIALECT_SIMPLE,    /* java.text.SimpleDateFormat */
};

/* A local time and how far it is from UTC. */
struct time_value {
    int64_t local_ms; /* since 1970-01-01 00:00 of the local clock */
    int32_t nanos;    /* within the millisecond */
    int32_t offset_s; /* east of UTC */
    bool has_offset;  /* of parsing: the text told the offset */
};

struct time_pattern;

/* ERR_INVALID_ARGUMENT names the letter that is wrong. */
int time_pattern_new(struct slice text, enum time_dialect dialect, struct time_pattern **ret,
                     struct error *err) MUST_CHECK;
struct time_pattern *time_pattern_free(struct time_pattern *p);

/* The digits of S that the pattern ends with; of TO_TIMESTAMP_LTZ's precision. */
uint32_t time_pattern_fraction_digits(const struct time_pattern *p);
/* Bytes that a printed value takes at most. */
size_t time_pattern_max_bytes(const struct time_pattern *p);
/* Writes to `to`, which has max_bytes; returns how many. */
size_t time_pattern_print(const struct time_pattern *p, const struct time_value *v, char *to);
/* False: the text is not of the pattern.  Fields that it does not have are those of 1970-01-01 00:00. */
bool time_pattern_parse(const struct time_pattern *p, struct slice text, struct time_value *ret);

#endif
