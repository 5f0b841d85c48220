/* Filters of metrics.  Thread: any once parsed. */
#include "common/metrics/prometheus/text.h"

#include <strings.h>

static void split(const char *text, size_t len, char separator, struct text_list *list)
{
    struct slice rest = slice_make(text, len), item;
    while (rest.data != NULL && slice_next(&rest, separator, &item)) {
        item = slice_trim(item);
        if (item.len > 0) {
            text_list_add(list, item);
        }
    }
    if (list->n == 0) {
        text_list_add(list, SLICE_LIT("*"));
    }
}

int metric_filter_parse(const char *text, struct metric_filter *ret_filter, struct error *err)
{
    struct metric_filter f = {TEXT_LIST_INIT, TEXT_LIST_INIT, TEXT_LIST_INIT};
    struct slice parts[3] = {SLICE_LIT(""), SLICE_LIT(""), SLICE_LIT("")};
    struct slice rest = slice_cstr(text), part;
    for (size_t i = 0; rest.data != NULL && slice_next(&rest, ':', &part); i++) {
        if (i == ARRAY_LEN(parts)) {
            return error_set(
                err, ERR_INVALID_CONFIG,
                "the metric filter \"%s\" has more than three parts; it is of the form "
                "<scope>[:<name>[,<name>][:<type>[,<type>]]]",
                text);
        }
        parts[i] = part;
    }
    split(parts[0].data, parts[0].len, '\n', &f.scope);
    split(parts[1].data, parts[1].len, ',', &f.names);
    split(parts[2].data, parts[2].len, ',', &f.kinds);
    for (size_t i = 0; i < f.kinds.n; i++) {
        static const char *const kinds[] = {"counter", "gauge", "meter", "histogram", "*"};
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            known = known || strcasecmp(f.kinds.items[i], kinds[k]) == 0;
        }
        if (!known) {
            int rc = error_set(err, ERR_INVALID_CONFIG,
                               "the metric filter \"%s\": \"%s\" is no type of metric; they are "
                               "counter, gauge, meter and histogram",
                               text, f.kinds.items[i]);
            metric_filter_fini(&f);
            return rc;
        }
    }
    *ret_filter = f;
    return 0;
}

void metric_filter_fini(struct metric_filter *f)
{
    text_list_fini(&f->scope);
    text_list_fini(&f->names);
    text_list_fini(&f->kinds);
}

/* "*" stands for any run of characters; the time is bounded by the product of the lengths. */
static bool pattern_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool any_matches(const struct text_list *patterns, const char *text)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (pattern_matches(patterns->items[i], text)) {
            return true;
        }
    }
    return false;
}

bool metric_filter_matches(const struct metric_filter *f, const char *scope, const char *name,
                           enum metric_kind kind)
{
    return any_matches(&f->scope, scope) && any_matches(&f->names, name) &&
           any_matches(&f->kinds, metric_kind_name(kind));
}
