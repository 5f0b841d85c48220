/* SQL text: whatever it is, the parser ends, says where it stopped, and its nodes lie within the text; and text that was
 * split into statements is split to its end. */
#include "sql/parser/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_statement(struct slice text, struct arena *arena)
{
    struct error err = ERROR_INIT;
    struct sql_error_place place = {{0, 0}};
    struct sql_statement *s = NULL;
    if (sql_parse_statement(text, arena, &s, &place, &err) == 0) {
        ASSERT(s->kind < SQL_STATEMENT_KIND_COUNT && s->span.start <= s->span.end &&
               s->span.end <= text.len);
    } else {
        ASSERT(err.message[0] != '\0' && place.span.start <= place.span.end &&
               place.span.end <= text.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    struct arena arena;
    struct sql_expr *e = NULL;
    struct sql_type *t = NULL;
    struct vec all = VEC_INIT(struct sql_statement *);
    arena_init(&arena, 0);
    check_statement(text, &arena);
    arena_reset(&arena);
    int rc = sql_parse_script(text, &arena, &all, NULL, NULL);
    ASSERT(rc <= 0 && all.len <= size);
    vec_fini(&all);
    arena_reset(&arena);
    rc = sql_parse_expression(text, &arena, &e, NULL, NULL);
    ASSERT(rc < 0 || e->span.end <= size);
    rc = sql_parse_type(text, &arena, &t, NULL, NULL);
    ASSERT(rc < 0 || t->span.end <= size);
    arena_fini(&arena);
    for (struct slice rest = text; rest.len > 0;) {
        bool is_complete = false;
        uint32_t end = sql_statement_end(rest, &is_complete);
        ASSERT(end > 0 && end <= rest.len && (is_complete || end == rest.len));
        rest = slice_make(rest.data + end, rest.len - end);
    }
    return 0;
}
