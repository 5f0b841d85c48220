/* What the window tests share: configurations, sorted rows, and a window evaluator that knows nothing but
 * the definition: every window holds its records in a list. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_WINDOW_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_WINDOW_FIXTURE_H

#include "proto/window.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

#define W(name) FLINC__WINDOW_##name
#define WINDOW_INPUT "ROW<k INT NOT NULL, v INT NOT NULL>"

/* A configuration with all its parts; made by window_config_init(). */
struct window_config {
    Flinc__WindowConfig config;
    Flinc__WindowAssigner assigner;
    Flinc__WindowTrigger trigger;
    Flinc__WindowEvictor evictor;
    Flinc__WindowColumn columns[8];
    Flinc__WindowColumn *column_pointers[8];
    uint32_t key;
};

static inline void window_config_init(struct window_config *c, Flinc__WindowAssignerKind kind,
                                      int64_t size, int64_t slide)
{
    *c = (struct window_config){.config = FLINC__WINDOW_CONFIG__INIT,
                                .assigner = FLINC__WINDOW_ASSIGNER__INIT,
                                .trigger = FLINC__WINDOW_TRIGGER__INIT,
                                .evictor = FLINC__WINDOW_EVICTOR__INIT};
    c->assigner.kind = kind;
    c->assigner.size_ms = c->assigner.gap_ms = size;
    c->assigner.slide_ms = slide;
    c->config.assigner = &c->assigner;
    c->config.trigger = &c->trigger;
    c->config.key_columns = &c->key;
    c->config.n_key_columns = 1;
    c->config.columns = c->column_pointers;
}

static inline void window_config_add(struct window_config *c, Flinc__WindowColumnKind kind,
                                     uint32_t column)
{
    size_t i = c->config.n_columns++;
    assert_true(i < ARRAY_LEN(c->columns));
    c->columns[i] = (Flinc__WindowColumn)FLINC__WINDOW_COLUMN__INIT;
    c->columns[i].kind = kind;
    c->columns[i].column = column;
    c->column_pointers[i] = &c->columns[i];
}

/* key, start, end and the aggregate of the column */
#define WINDOW_OUTPUT                                                                      \
    "ROW<k INT NOT NULL, window_start BIGINT NOT NULL, window_end BIGINT NOT NULL, value " \
    "BIGINT NOT NULL>"
static inline void window_config_columns(struct window_config *c, Flinc__WindowColumnKind kind)
{
    window_config_add(c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY, 0);
    window_config_add(c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_START, 0);
    window_config_add(c, FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END, 0);
    window_config_add(c, kind, 1);
}

/* ---- rows in any order ------------------------------------------------------------------------- */

static inline int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static inline void sort_lines(const char *text, struct str *out)
{
    size_t n = 0, cap = 1;
    for (const char *p = text; *p != '\0'; p++) {
        cap += *p == '\n';
    }
    struct slice *lines = MEM_NEW_ARRAY(struct slice, cap);
    struct slice rest = slice_cstr(text);
    while (rest.len > 0 && slice_next(&rest, '\n', &lines[n])) {
        n++;
    }
    qsort(lines, n, sizeof(lines[0]), compare_slices);
    for (size_t i = 0; i < n; i++) {
        str_append_slice(out, lines[i]);
        str_append_cstr(out, i + 1 < n ? "\n" : "");
    }
    mem_free(lines);
}

/* The order between keys is open. */
static inline void check_sorted_rows(const char *rows, const char *expected)
{
    STR_AUTO a = STR_INIT;
    STR_AUTO b = STR_INIT;
    sort_lines(rows, &a);
    sort_lines(expected, &b);
    assert_string_equal(str_cstr(&a), str_cstr(&b));
}

/* What a watermark brings out of the main output. */
static inline void check_watermark(struct harness *h, int64_t watermark_ms, const char *expected)
{
    harness_clear(h);
    must(harness_watermark(h, 0, watermark_ms, &err));
    check_sorted_rows(harness_rows(h, 0), expected);
}

/* Rows that bring nothing out. */
static inline void push(struct harness *h, const char *rows)
{
    harness_clear(h);
    must(harness_push_rows(h, 0, rows, &err));
    assert_string_equal(harness_rows(h, 0), "");
}

/* ---- the naive evaluator ----------------------------------------------------------------------- */

enum { NAIVE_WINDOWS_MAX = 20000 };

struct naive_window {
    int64_t key, start, end;
    int64_t count, sum, min, max;
};

struct naive {
    Flinc__WindowAssignerKind kind;
    int64_t size, slide, offset; /* session: size is the gap */
    int64_t watermark;
    uint64_t n_late;
    struct naive_window *windows; /* Owns */
    size_t n;
};

static inline void naive_init(struct naive *n, const Flinc__WindowAssigner *a)
{
    bool sliding = a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING;
    *n = (struct naive){.kind = a->kind,
                        .size = a->size_ms,
                        .slide = sliding ? a->slide_ms : a->size_ms,
                        .offset = a->offset_ms,
                        .watermark = INT64_MIN};
    n->windows = MEM_NEW_ARRAY(struct naive_window, NAIVE_WINDOWS_MAX);
}

static inline void naive_fini(struct naive *n)
{
    mem_free(n->windows);
}

static inline void naive_put(struct naive *n, int64_t key, int64_t start, int64_t end, int64_t v)
{
    struct naive_window *w = n->windows;
    while (w < n->windows + n->n && (w->key != key || w->start != start || w->end != end)) {
        w++;
    }
    if (w == n->windows + n->n) {
        assert_true(++n->n < NAIVE_WINDOWS_MAX);
        *w = (struct naive_window){.key = key, .start = start, .end = end, .min = v, .max = v};
    }
    w->count++;
    w->sum += v;
    w->min = MIN(w->min, v);
    w->max = MAX(w->max, v);
}

/* Joins the sessions of a key that meet. */
static inline void naive_put_session(struct naive *n, int64_t key, int64_t ts, int64_t gap,
                                     int64_t v)
{
    struct naive_window s = {key, ts, ts + gap, 1, v, v, v};
    for (size_t i = 0; i < n->n; i++) { /* which of them meet does not depend on the order */
        struct naive_window *w = &n->windows[i];
        if (w->key == key && w->start <= s.end && s.start <= w->end) {
            s.start = MIN(s.start, w->start);
            s.end = MAX(s.end, w->end);
            s.count += w->count;
            s.sum += w->sum;
            s.min = MIN(s.min, w->min);
            s.max = MAX(s.max, w->max);
            *w = n->windows[--n->n];
            i = SIZE_MAX; /* from the start */
        }
    }
    if (s.end - 1 <= n->watermark) {
        n->n_late++; /* nothing was joined: what has fired is gone */
        return;
    }
    assert_true(n->n + 1 < NAIVE_WINDOWS_MAX);
    n->windows[n->n++] = s;
}

static inline void naive_add(struct naive *n, int64_t key, int64_t ts, int64_t v)
{
    if (n->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION) {
        naive_put_session(n, key, ts, n->size, v);
        return;
    }
    bool taken = false;
    /* Every start that could be meant, without any formula. */
    for (int64_t start = ts - n->size + 1; start <= ts; start++) {
        int64_t phase = (start - n->offset) % n->slide;
        if (phase == 0 && start + n->size - 1 > n->watermark) {
            naive_put(n, key, start, start + n->size, v);
            taken = true;
        }
    }
    n->n_late += !taken && ts <= n->watermark;
}

static inline int64_t naive_value(const struct naive_window *w, Flinc__WindowColumnKind kind)
{
    switch (kind) {
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM:
        return w->sum;
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN:
        return w->min;
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX:
        return w->max;
    default:
        return w->count;
    }
}

/* Appends the rows of the windows that a watermark ends. */
static inline void naive_watermark(struct naive *n, int64_t watermark, Flinc__WindowColumnKind kind,
                                   struct str *out)
{
    n->watermark = watermark;
    for (size_t i = 0; i < n->n;) {
        struct naive_window *w = &n->windows[i];
        if (w->end - 1 > watermark) {
            i++;
            continue;
        }
        str_printf(out, "%s+I[%lld, %lld, %lld, %lld] @%lld", out->len > 0 ? "\n" : "",
                   (long long)w->key, (long long)w->start, (long long)w->end,
                   (long long)naive_value(w, kind), (long long)w->end - 1);
        *w = n->windows[--n->n];
    }
}

#endif
