/* `flink state dump` and `flink state diff`.
 *
 * A diff keeps the lines of the first snapshot in memory, by their heads (operator, state, key), and crosses
 * off what the second one has.
 * Thread: main. */
#include "client/statetool/statetool.h"

#include "common/base/map.h"
#include "common/base/vec.h"

enum { DRAIN_BYTES = 1024 * 1024 };

static int dump_line(void *arg, struct slice head, struct slice tail, struct error *err)
{
    struct text_sink *out = arg;
    str_append_slice(&out->text, head);
    str_append_slice(&out->text, tail);
    str_append_char(&out->text, '\n');
    return text_sink_drain(out, DRAIN_BYTES, err);
}

int state_dump(const struct open_snapshot *s, const struct state_filter *filter,
               struct text_sink *out, struct error *err)
{
    const struct state_lines to = {dump_line, out};
    return state_lines_walk(s, filter, &to, err);
}

/* ---- differences ------------------------------------------------------------------------------ */

struct diff {
    struct map first; /* head -> tail (a heap string) */
    struct text_sink *out;
    uint64_t n_added, n_removed, n_changed, n_same;
};

/* {"change":"added", then what stands behind the brace of the head. */
static int put_change(struct diff *d, const char *change, struct slice head, struct slice tail,
                      struct error *err)
{
    struct str *text = &d->out->text;
    str_printf(text, "{\"change\":\"%s\",", change);
    str_append(text, head.data + 1, head.len - 1);
    str_append_slice(text, tail);
    str_append_char(text, '\n');
    return text_sink_drain(d->out, DRAIN_BYTES, err);
}

static int remember_line(void *arg, struct slice head, struct slice tail, struct error *err)
{
    struct diff *d = arg;
    (void)err;
    map_put_bytes(&d->first, head.data, head.len, mem_strndup(tail.data, tail.len));
    return 0;
}

static int compare_line(void *arg, struct slice head, struct slice tail, struct error *err)
{
    struct diff *d = arg;
    char *was = map_take_bytes(&d->first, head.data, head.len);
    if (was == NULL) {
        d->n_added++;
        return put_change(d, "added", head, tail, err);
    }
    int rc = 0;
    if (slice_eq_cstr(tail, was)) {
        d->n_same++;
    } else {
        /* `,"value":...}`: the old one stands in front of the new. */
        STR_AUTO both = STR_INIT;
        size_t was_len = strlen(was);
        str_append_cstr(&both, ",\"was\":");
        const char *value = strchr(was, ':') + 1;
        str_append(&both, value, was_len - (size_t)(value - was) - 1);
        str_append_slice(&both, tail);
        d->n_changed++;
        rc = put_change(d, "changed", head, str_slice(&both), err);
    }
    mem_free(was);
    return rc;
}

static int put_removed(struct diff *d, struct error *err)
{
    MAP_FOREACH (&d->first, e) {
        d->n_removed++;
        TRY(put_change(d, "removed", slice_make(e->key, e->key_len), slice_cstr(e->value), err));
    }
    return 0;
}

int state_diff(const struct open_snapshot *a, const struct open_snapshot *b,
               const struct state_filter *filter, struct text_sink *out, struct error *err)
{
    struct diff d = {.out = out};
    const struct state_lines remember = {remember_line, &d}, compare = {compare_line, &d};
    map_init(&d.first, mem_free);
    int rc = state_lines_walk(a, filter, &remember, err);
    if (rc == 0) {
        rc = state_lines_walk(b, filter, &compare, err);
    }
    if (rc == 0) {
        rc = put_removed(&d, err);
    }
    map_fini(&d.first);
    TRY(rc);
    TRY(text_sink_drain(out, 0, err));
    fprintf(stderr, "%llu added, %llu removed, %llu changed, %llu the same\n",
            (unsigned long long)d.n_added, (unsigned long long)d.n_removed,
            (unsigned long long)d.n_changed, (unsigned long long)d.n_same);
    return 0;
}
