/* A list of expressions from any bytes: refused, or written back it reads as the same list. */
#include "engine/expr/wire.h"
#include "engine/functions/functions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const Flinc__ExprList *list, const struct schema *input,
                        struct expr_pool *pool, struct arena *arena, const struct expr **nodes)
{
    struct expr_writer *w = expr_writer_new(arena);
    const struct expr **again = NULL;
    uint32_t index, last = 0;
    for (size_t i = 0; i < list->n_nodes; i++) {
        int rc = expr_writer_add(w, nodes[i], &index, NULL);
        ASSERT(rc == 0);
        last = index;
    }
    int rc = expr_read(expr_writer_list(w), input, pool, arena, &again, NULL);
    ASSERT(rc == 0);
    if (list->n_nodes > 0 && !nodes[list->n_nodes - 1]->is_volatile) {
        ASSERT(again[last] == nodes[list->n_nodes - 1]);
    }
    expr_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Flinc__ExprList *list = flinc__expr_list__unpack(NULL, size, data);
    const struct expr **nodes = NULL;
    struct schema *input = NULL;
    struct arena arena;
    if (list == NULL) {
        return 0;
    }
    functions_register_builtin();
    int rc =
        schema_parse(slice_cstr("ROW<a INT, b STRING, c ROW<d DECIMAL(10, 2)>>"), &input, NULL);
    ASSERT(rc == 0);
    arena_init(&arena, 0);
    struct expr_pool *pool = expr_pool_new();
    if (expr_read(list, input, pool, &arena, &nodes, NULL) == 0) {
        write_again(list, input, pool, &arena, nodes);
    }
    expr_pool_free(pool);
    arena_fini(&arena);
    schema_unref(input);
    flinc__expr_list__free_unpacked(list, NULL);
    return 0;
}
