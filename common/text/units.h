/* Durations and memory sizes as Flink writes them: "10 min", "500ms", "PT10S"; "64 mb", "32k".
 *
 * Flink: TimeUtils, MemorySize.  A number without a unit is milliseconds or bytes; labels are
 * case-insensitive; fractions are refused as there.  Thread: any. */
#ifndef FLINC_COMMON_TEXT_UNITS_H
#define FLINC_COMMON_TEXT_UNITS_H

#include "common/base/str.h"

/* Like java.time.Duration: nanos is 0 to 999,999,999, added to seconds (also to negative ones). */
struct duration {
    int64_t seconds;
    int32_t nanos;
};

/* Labels: d day days; h hour hours; m min minute minutes; s sec secs second seconds;
 * ms milli millis millisecond milliseconds; µs micro micros microsecond microseconds;
 * ns nano nanos nanosecond nanoseconds; or ISO-8601 ("P1DT2H3M4.5S").  Errors name the text. */
int duration_parse(struct slice text, struct duration *ret_duration, struct error *err) MUST_CHECK;
/* In the largest unit that keeps it whole: "1 min", "1500 ms", "0 ms". */
void duration_format(struct duration d, struct str *out);
struct duration duration_from_ms(int64_t ms);
struct duration duration_from_ns(int64_t ns);
/* Rounded down; at the ends of the type's range for what does not fit. */
int64_t duration_to_ms(struct duration d);
int64_t duration_to_ns(struct duration d);
int duration_compare(struct duration a, struct duration b);

/* Labels: b bytes; k kb kibibytes; m mb mebibytes; g gb gibibytes; t tb tebibytes.  1 kb is 1024
 * bytes.  At most 2^63 - 1 bytes, as in Flink. */
int memory_size_parse(struct slice text, uint64_t *ret_bytes, struct error *err) MUST_CHECK;
/* In the largest unit that keeps it whole: "64 mb", "1536 bytes". */
void memory_size_format(uint64_t size_bytes, struct str *out);
/* For people: "1.500kb (1536 bytes)". */
void memory_size_format_readable(uint64_t size_bytes, struct str *out);

#endif
