/* Inside the room: scope formats and the text of identifiers. */
#ifndef FLINC_COMMON_METRICS_SCOPE_H
#define FLINC_COMMON_METRICS_SCOPE_H

#include "common/metrics/registry.h"

/* Appends `text` with the characters that identifiers cannot have as '_'. */
void scope_append_filtered(struct str *out, const char *text, char delimiter);

/* Fills a format in: variables by lookup(arg, name), which gives NULL for those that nobody gave;
 * `parent` is what a leading "*" stands for; dots become the delimiter. */
struct scope_fill {
    const char *parent;
    char delimiter;
    const char *(*lookup)(const void *arg, const char *name);
    const void *arg;
};
void scope_format_fill(const char *format, const struct scope_fill *fill, struct str *out);

#endif
