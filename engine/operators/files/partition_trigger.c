/* When a partition is complete; see partition_trigger.h. */
#include "engine/operators/files/partition_trigger.h"

#include "common/text/time_zone.h"
#include "engine/operators/files/path_escape.h"
#include "engine/patterns/time_pattern.h"

enum { TIME_FORMS_MAX = 3 };

struct partition_trigger {
    Flinc__PartitionTriggerKind kind;
    int64_t delay_ms;
    char *pattern;          /* Owns; "": the first value */
    char *shown;            /* Owns: of the formatter, for messages */
    struct time_zone *zone; /* Owns; NULL by process time */
    struct time_pattern
        *forms[TIME_FORMS_MAX]; /* Owns; what a time may look like, up to the first NULL */
};

/* Without a formatter: what Flink reads then, too. */
static const char *const default_forms[] = {"y-M-d H:m:s", "y-M-d H:m:s.SSS", "y-M-d"};

static int open_forms(struct partition_trigger *t, const char *formatter, struct error *err)
{
    if (formatter[0] != '\0') {
        return time_pattern_new(slice_cstr(formatter), TIME_DIALECT_FORMATTER, &t->forms[0], err);
    }
    for (size_t i = 0; i < ARRAY_LEN(default_forms); i++) {
        TRY(time_pattern_new(slice_cstr(default_forms[i]), TIME_DIALECT_FORMATTER, &t->forms[i],
                             err));
    }
    return 0;
}

static int open_times(struct partition_trigger *t, const Flinc__PartitionTrigger *c,
                      struct error *err)
{
    if (t->kind != FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PARTITION_TIME) {
        return 0;
    }
    TRY(time_zone_open(c->zone[0] != '\0' ? c->zone : "UTC", &t->zone, err));
    return open_forms(t, c->formatter, err);
}

int partition_trigger_new(const Flinc__PartitionTrigger *c, struct partition_trigger **ret,
                          struct error *err)
{
    struct partition_trigger *t = MEM_NEW(struct partition_trigger);

    t->kind = c->kind;
    t->delay_ms = c->delay_ms;
    t->pattern = mem_strdup(c->pattern);
    t->shown = mem_strdup(c->formatter[0] != '\0' ? c->formatter : "yyyy-MM-dd [HH:mm:ss]");
    int rc = open_times(t, c, err);
    if (rc < 0) {
        partition_trigger_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

struct partition_trigger *partition_trigger_free(struct partition_trigger *t)
{
    if (t != NULL) {
        for (size_t i = 0; i < TIME_FORMS_MAX; i++) {
            time_pattern_free(t->forms[i]);
        }
        time_zone_free(t->zone);
        mem_free(t->pattern);
        mem_free(t->shown);
        mem_free(t);
    }
    return NULL;
}

/* ---- the time of a partition ------------------------------------------------------------------------------ */

/* One "k=v" of the path, unescaped. */
static bool next_value(struct slice *rest, struct str *key, struct str *value)
{
    struct slice part;

    while (slice_next(rest, '/', &part)) {
        const char *equals = part.len > 0 ? memchr(part.data, '=', part.len) : NULL;
        if (equals != NULL) {
            size_t at = (size_t)(equals - part.data);
            str_clear(key);
            str_clear(value);
            path_unescape(slice_make(part.data, at), key);
            path_unescape(slice_make(part.data + at + 1, part.len - at - 1), value);
            return true;
        }
    }
    return false;
}

/* Text with each "$key" in the place of its value. */
static void replace_key(struct str *text, const struct str *key, const struct str *value)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO made = STR_INIT;
    const char *at = str_cstr(text), *found;

    str_printf(&name, "$%s", str_cstr(key));
    while ((found = strstr(at, str_cstr(&name))) != NULL) {
        str_append(&made, at, (size_t)(found - at));
        str_append_slice(&made, str_slice(value));
        at = found + name.len;
    }
    str_append_cstr(&made, at);
    str_clear(text);
    str_append_slice(text, str_slice(&made));
}

static void put_together(const struct partition_trigger *t, const char *partition, struct str *text)
{
    struct slice rest = slice_cstr(partition);
    STR_AUTO key = STR_INIT;
    STR_AUTO value = STR_INIT;

    str_append_cstr(text, t->pattern);
    while (next_value(&rest, &key, &value)) {
        if (t->pattern[0] == '\0') {
            str_append_slice(text, str_slice(&value));
            return;
        }
        replace_key(text, &key, &value);
    }
}

static int64_t to_utc(const struct partition_trigger *t, int64_t local_ms)
{
    struct time_zone_span span;
    int64_t local_s = local_ms >= 0 ? local_ms / 1000 : -((999 - local_ms) / 1000);

    time_zone_find(t->zone, local_s, &span);
    time_zone_find(t->zone, local_s - span.offset_s, &span); /* that of the time itself */
    return local_ms - (int64_t)span.offset_s * 1000;
}

int partition_trigger_time(const struct partition_trigger *t, const char *partition,
                           int64_t *ret_ms, struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct time_value v;

    put_together(t, partition, &text);
    for (size_t i = 0; i < TIME_FORMS_MAX && t->forms[i] != NULL; i++) {
        if (time_pattern_parse(t->forms[i], str_slice(&text), &v)) {
            *ret_ms = to_utc(t, v.local_ms);
            return 0;
        }
    }
    return error_set(err, ERR_PARSE,
                     "the partition '%s' has no time: '%s' is not of the form '%s'; "
                     "'partition.time-extractor.timestamp-pattern' says how its values make one, "
                     "'partition.time-extractor.timestamp-formatter' how it is read",
                     partition, str_cstr(&text), t->shown);
}

int partition_trigger_is_due(const struct partition_trigger *t, const char *partition,
                             const struct partition_age *age, bool *ret_due, struct error *err)
{
    int64_t time_ms = 0;

    if (t->kind == FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PROCESS_TIME) {
        *ret_due = age->now_ms >= age->begun_ms + t->delay_ms;
        return 0;
    }
    TRY(partition_trigger_time(t, partition, &time_ms, err));
    *ret_due = age->watermark_ms != INT64_MIN && age->watermark_ms > time_ms + t->delay_ms;
    return 0;
}
