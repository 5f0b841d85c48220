/* Durations and memory sizes: one table of labels each drives parsing and formatting.  All arithmetic
 * is checked; nothing wraps. */
#include "common/text/units.h"
#include "common/text/number.h"
#include <inttypes.h>
#include <strings.h>

enum { NANOS_PER_SECOND = 1000000000 };
#define NANOS_PER_DAY (INT64_C(86400) * NANOS_PER_SECOND)

struct duration_unit {
    int64_t nanos;
    const char *labels; /* comma-separated, the first one is printed */
};

/* Largest first. */
static const struct duration_unit duration_units[] = {
    {NANOS_PER_DAY, "d,day,days"},
    {INT64_C(3600) * NANOS_PER_SECOND, "h,hour,hours"},
    {INT64_C(60) * NANOS_PER_SECOND, "min,m,minute,minutes"},
    {NANOS_PER_SECOND, "s,sec,secs,second,seconds"},
    {1000000, "ms,milli,millis,millisecond,milliseconds"},
    {1000, "\xc2\xb5s,micro,micros,microsecond,microseconds"},
    {1, "ns,nano,nanos,nanosecond,nanoseconds"},
};

struct memory_unit {
    uint64_t bytes;
    const char *labels;
    const char *shown;
};

static const struct memory_unit memory_units[] = {
    {UINT64_C(1) << 40, "t,tb,tebibytes", "tb"},
    {UINT64_C(1) << 30, "g,gb,gibibytes", "gb"},
    {UINT64_C(1) << 20, "m,mb,mebibytes", "mb"},
    {UINT64_C(1) << 10, "k,kb,kibibytes", "kb"},
    {1, "b,bytes", "bytes"},
};

#define DURATION_HINT \
    "use a number and a unit: d, h, min, s, ms, \xc2\xb5s, ns (\"10 s\", \"500 ms\"), or PT10S"
#define MEMORY_HINT "use a whole number and a unit: b, kb, mb, gb, tb (\"64 mb\")"

static bool label_matches(const char *labels, struct slice label)
{
    struct slice rest = slice_cstr(labels);
    struct slice one;
    while (slice_next(&rest, ',', &one)) {
        if (one.len == label.len && strncasecmp(one.data, label.data, one.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Splits "10 min" into digits and label. */
static void split_number(struct slice text, struct slice *ret_digits, struct slice *ret_label)
{
    size_t n = 0;
    while (n < text.len && text.data[n] >= '0' && text.data[n] <= '9') {
        n++;
    }
    *ret_digits = slice_make(text.data, n);
    *ret_label = slice_trim(slice_make(text.data + n, text.len - n));
}

/* ---- durations ----------------------------------------------------------------------------- */

/* Seconds and nanos out of a 128-bit number of nanoseconds. */
static bool duration_from_i128(__int128 nanos, struct duration *ret)
{
    __int128 seconds = nanos / NANOS_PER_SECOND;
    __int128 rest = nanos % NANOS_PER_SECOND;
    if (rest < 0) {
        rest += NANOS_PER_SECOND;
        seconds--;
    }
    if (seconds < INT64_MIN || seconds > INT64_MAX) {
        return false;
    }
    *ret = (struct duration){(int64_t)seconds, (int32_t)rest};
    return true;
}

static __int128 duration_to_i128(struct duration d)
{
    return (__int128)d.seconds * NANOS_PER_SECOND + d.nanos;
}

/* One "<sign><digits>[.<digits>]<letter>" of ISO-8601; moves *rest behind it. */
struct iso_part {
    __int128 nanos_scaled; /* the number times 10^9 */
    bool has_fraction;
    char letter;
};

static bool iso_next(struct slice *rest, struct iso_part *ret)
{
    size_t i = 0;
    bool negative = false;
    if (i < rest->len && (rest->data[i] == '-' || rest->data[i] == '+')) {
        negative = rest->data[i++] == '-';
    }
    size_t start = i;
    __int128 value = 0;
    for (; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++) {
        if (i - start >= 19) {
            return false; /* beyond int64, as java.time refuses it */
        }
        value = value * 10 + (rest->data[i] - '0');
    }
    if (i == start) {
        return false;
    }
    value *= NANOS_PER_SECOND;
    ret->has_fraction = i < rest->len && rest->data[i] == '.';
    if (ret->has_fraction) {
        int64_t unit = NANOS_PER_SECOND / 10;
        for (i++; i < rest->len && rest->data[i] >= '0' && rest->data[i] <= '9'; i++) {
            if (unit == 0) {
                return false; /* more than nine digits */
            }
            value += (rest->data[i] - '0') * unit;
            unit /= 10;
        }
    }
    if (i == rest->len) {
        return false;
    }
    ret->letter = (char)(rest->data[i] & ~0x20); /* upper case */
    ret->nanos_scaled = negative ? -value : value;
    *rest = slice_make(rest->data + i + 1, rest->len - i - 1);
    return true;
}

/* PnDTnHnMn.nS with each part optional but one; the order is fixed; a sign may lead all of it. */
static bool duration_parse_iso(struct slice text, struct duration *ret)
{
    bool negative = false;
    if (text.data[0] == '-' || text.data[0] == '+') {
        negative = text.data[0] == '-';
        text = slice_make(text.data + 1, text.len - 1);
    }
    struct slice rest = slice_make(text.data + 1, text.len - 1); /* behind the P */
    static const char letters[] = "DHMS";
    static const int64_t seconds[] = {86400, 3600, 60, 1};
    size_t stage = 0; /* next letter allowed */
    bool in_time = false;
    bool any = false;
    __int128 total = 0;
    while (rest.len > 0) {
        if (!in_time && (rest.data[0] == 'T' || rest.data[0] == 't')) {
            in_time = true;
            stage = MAX(stage, (size_t)1);
            rest = slice_make(rest.data + 1, rest.len - 1);
            any = false; /* a T wants a part behind it */
            continue;
        }
        struct iso_part part;
        if (!iso_next(&rest, &part)) {
            return false;
        }
        const char *letter = part.letter != '\0' ? strchr(letters + stage, part.letter) : NULL;
        if (letter == NULL || (*letter == 'D') == in_time ||
            (part.has_fraction && *letter != 'S')) {
            return false;
        }
        stage = (size_t)(letter - letters) + 1;
        /* |part| < 10^28, times 86400 stays below 2^127. */
        total += part.nanos_scaled * seconds[letter - letters];
        any = true;
    }
    return any && duration_from_i128(negative ? -total : total, ret);
}

static bool looks_iso(struct slice text)
{
    size_t at = text.len > 1 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    return text.data[at] == 'P' || text.data[at] == 'p';
}

int duration_parse(struct slice text, struct duration *ret_duration, struct error *err)
{
    struct slice trimmed = slice_trim(text);
    int shown = (int)MIN(trimmed.len, (size_t)100);
    if (trimmed.len == 0) {
        return error_set(err, ERR_PARSE, "an empty text is no duration; " DURATION_HINT);
    }
    if (looks_iso(trimmed)) {
        if (!duration_parse_iso(trimmed, ret_duration)) {
            return error_set(err, ERR_PARSE, "\"%.*s\" is no ISO-8601 duration; " DURATION_HINT,
                             shown, trimmed.data);
        }
        return 0;
    }
    struct slice digits, label;
    split_number(trimmed, &digits, &label);
    if (digits.len == 0) {
        return error_set(err, ERR_PARSE, "\"%.*s\" does not start with a number; " DURATION_HINT,
                         shown, trimmed.data);
    }
    if (label.len == 0) {
        label = SLICE_LIT("ms");
    }
    const struct duration_unit *unit = NULL;
    for (size_t i = 0; i < ARRAY_LEN(duration_units) && unit == NULL; i++) {
        if (label_matches(duration_units[i].labels, label)) {
            unit = &duration_units[i];
        }
    }
    if (unit == NULL) {
        return error_set(err, ERR_PARSE, "unknown unit in the duration \"%.*s\"; " DURATION_HINT,
                         shown, trimmed.data);
    }
    uint64_t value;
    if (number_parse_uint64(digits, &value) < 0 ||
        !duration_from_i128((__int128)value * unit->nanos, ret_duration)) {
        return error_set(err, ERR_TOO_LARGE, "the duration \"%.*s\" is too long", shown,
                         trimmed.data);
    }
    return 0;
}

void duration_format(struct duration d, struct str *out)
{
    __int128 nanos = duration_to_i128(d);
    if (nanos == 0) {
        str_append_cstr(out, "0 ms");
        return;
    }
    const struct duration_unit *unit = duration_units;
    while (nanos % unit->nanos != 0) {
        unit++; /* ends at nanoseconds */
    }
    struct slice labels = slice_cstr(unit->labels);
    struct slice label;
    slice_next(&labels, ',', &label);
    __int128 value = nanos / unit->nanos;
    if (value >= INT64_MIN && value <= INT64_MAX) {
        str_printf(out, "%" PRId64 " %.*s", (int64_t)value, (int)label.len, label.data);
        return;
    }
    /* Billions of years with nanoseconds: more digits than an int64 has. */
    uint64_t high = (uint64_t)((value < 0 ? -value : value) / NANOS_PER_SECOND);
    uint64_t low = (uint64_t)((value < 0 ? -value : value) % NANOS_PER_SECOND);
    str_printf(out, "%s%" PRIu64 "%09" PRIu64 " %.*s", value < 0 ? "-" : "", high, low,
               (int)label.len, label.data);
}

struct duration duration_from_ns(int64_t ns)
{
    struct duration d;
    duration_from_i128(ns, &d); /* always fits */
    return d;
}

struct duration duration_from_ms(int64_t ms)
{
    struct duration d;
    duration_from_i128((__int128)ms * 1000000, &d);
    return d;
}

static int64_t clamp_i128(__int128 value)
{
    if (value > INT64_MAX) {
        return INT64_MAX;
    }
    return value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

int64_t duration_to_ms(struct duration d)
{
    return clamp_i128((__int128)d.seconds * 1000 + d.nanos / 1000000);
}

int64_t duration_to_ns(struct duration d)
{
    return clamp_i128(duration_to_i128(d));
}

int duration_compare(struct duration a, struct duration b)
{
    if (a.seconds != b.seconds) {
        return a.seconds < b.seconds ? -1 : 1;
    }
    return (a.nanos > b.nanos) - (a.nanos < b.nanos);
}

/* ---- memory sizes -------------------------------------------------------------------------- */

int memory_size_parse(struct slice text, uint64_t *ret_bytes, struct error *err)
{
    struct slice trimmed = slice_trim(text);
    int shown = (int)MIN(trimmed.len, (size_t)100);
    if (trimmed.len == 0) {
        return error_set(err, ERR_PARSE, "an empty text is no memory size; " MEMORY_HINT);
    }
    struct slice digits, label;
    split_number(trimmed, &digits, &label);
    if (digits.len == 0) {
        return error_set(err, ERR_PARSE, "\"%.*s\" does not start with a number; " MEMORY_HINT,
                         shown, trimmed.data);
    }
    if (label.len == 0) {
        label = SLICE_LIT("b");
    }
    const struct memory_unit *unit = NULL;
    for (size_t i = 0; i < ARRAY_LEN(memory_units) && unit == NULL; i++) {
        if (label_matches(memory_units[i].labels, label)) {
            unit = &memory_units[i];
        }
    }
    if (unit == NULL) {
        return error_set(err, ERR_PARSE, "unknown unit in the memory size \"%.*s\"; " MEMORY_HINT,
                         shown, trimmed.data);
    }
    uint64_t value;
    if (number_parse_uint64(digits, &value) < 0 ||
        __builtin_mul_overflow(value, unit->bytes, &value) || value > INT64_MAX) {
        return error_set(err, ERR_TOO_LARGE, "the memory size \"%.*s\" is over 2^63 - 1 bytes",
                         shown, trimmed.data);
    }
    *ret_bytes = value;
    return 0;
}

void memory_size_format(uint64_t size_bytes, struct str *out)
{
    const struct memory_unit *unit = memory_units;
    while (size_bytes % unit->bytes != 0 || (size_bytes == 0 && unit->bytes != 1)) {
        unit++; /* ends at bytes */
    }
    str_printf(out, "%" PRIu64 " %s", size_bytes / unit->bytes, unit->shown);
}

void memory_size_format_readable(uint64_t size_bytes, struct str *out)
{
    const struct memory_unit *unit = memory_units;
    while (unit->bytes != 1 && size_bytes <= unit->bytes) {
        unit++;
    }
    if (unit->bytes == 1) {
        str_printf(out, "%" PRIu64 " bytes", size_bytes);
        return;
    }
    str_printf(out, "%.3f%s (%" PRIu64 " bytes)", (double)size_bytes / (double)unit->bytes,
               unit->shown, size_bytes);
}
