/* Windows of functions for tests: events (key, value), and functions that show what they were given. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_WINDOW_FUNCTIONS_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_WINDOW_FUNCTIONS_FIXTURE_H

#include "flinc/window.h"
#include "tests/unit/engine_operators/window_fixture.h"

FLINC_STRUCT(event, FLINC_STRING(k), FLINC_INT64(v));
FLINC_STRUCT(shown, FLINC_STRING(text), FLINC_INT64(start));
FLINC_STRUCT(average, FLINC_INT64(sum), FLINC_INT64(n));
FLINC_STRUCT(mean, FLINC_STRING(k), FLINC_DOUBLE(mean));

/* "a: 1 2 3" */
static inline int show(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%.*s:", (int)FLINC_PANE_RECORD(pane, event, 0)->k.len,
                       FLINC_PANE_RECORD(pane, event, 0)->k.data);
    for (size_t i = 0; i < pane->n && len < 500; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %lld",
                        (long long)FLINC_PANE_RECORD(pane, event, i)->v);
    }
    return FLINC_EMIT(out, shown, .text = {text, (size_t)len}, .start = pane->start_ms);
}

static inline int add_events(flinc_ctx *ctx, const event *a, const event *b, event *out)
{
    out->k = a->k;
    out->v = a->v + b->v;
    return 0;
}

struct general {
    struct window_config c;
    struct harness_options o;
    Flinc__StructDesc descs[4];
    Flinc__StructField fields[4][8];
    Flinc__StructField *pointers[4][8];
};

static inline Flinc__StructDesc *general_desc(struct general *g, int i, const flinc_struct *type)
{
    Flinc__StructDesc *d = &g->descs[i];
    assert_true(type->n_fields <= ARRAY_LEN(g->fields[i]));
    *d = (Flinc__StructDesc)FLINC__STRUCT_DESC__INIT;
    d->name = (char *)(uintptr_t)type->name;
    d->size = type->size;
    d->n_fields = type->n_fields;
    d->fields = g->pointers[i];
    for (uint32_t f = 0; f < type->n_fields; f++) {
        g->fields[i][f] = (Flinc__StructField)FLINC__STRUCT_FIELD__INIT;
        g->fields[i][f].name = (char *)(uintptr_t)type->fields[f].name;
        g->fields[i][f].kind = type->fields[f].kind;
        g->fields[i][f].offset = type->fields[f].offset;
        g->fields[i][f].null_offset = type->fields[f].null_offset;
        g->pointers[i][f] = &g->fields[i][f];
    }
    return d;
}

/* All records to show(); change what is to be different, then general_start(). */
static inline void general_init(struct general *g, Flinc__WindowAssignerKind kind, int64_t size,
                                int64_t slide)
{
    memset(g, 0, sizeof(*g));
    window_config_init(&g->c, kind, size, slide);
    g->c.config.function = FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER;
    g->c.config.process = true;
    g->c.config.input = general_desc(g, 0, FLINC_TYPE(event));
    g->c.config.output = general_desc(g, 1, FLINC_TYPE(shown));
    g->o = (struct harness_options){.kind = "flinc.window.general",
                                    .functions = {FN(FLINC_FN_WINDOW, show)},
                                    .inputs = {FLINC_TYPE(event)},
                                    .outputs = {FLINC_TYPE(shown)}};
}

static inline struct harness *general_start(struct general *g)
{
    g->o.config = &g->c.config.base;
    return opened(&g->o);
}

/* What rows bring out at once. */
static inline void check_push(struct harness *h, const char *rows, const char *expected)
{
    harness_clear(h);
    must(harness_push_rows(h, 0, rows, &err));
    check_sorted_rows(harness_rows(h, 0), expected);
}

#endif
