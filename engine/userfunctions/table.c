/* Table functions: a call with its instance, for the operator that runs it (engine/query). */
#include "engine/userfunctions/inside.h"

struct user_call {
    const struct user_function *f;
    void *instance;
    bool is_open;
    flinc_udf_call call;
    struct arena arena, scratch;
    uint16_t *kept; /* Owns: rows without NULLs */
};

struct user_call *user_call_close(struct user_call *c)
{
    if (c != NULL) {
        if (c->is_open && c->f->udf.close != NULL) {
            c->f->udf.close(c->instance);
        }
        arena_fini(&c->arena);
        arena_fini(&c->scratch);
        mem_free(c->kept);
        mem_free(c);
    }
    return NULL;
}

int user_call_open(const struct expr_function *f, const struct expr *const *args, uint32_t n_args,
                   const struct data_type *result, struct user_call **ret, struct error *err)
{
    struct user_call *c = MEM_NEW(struct user_call);
    flinc_udf_error why = {{0}};
    c->f = user_function_of(f);
    c->kept = mem_alloc(BATCH_ROWS_MAX * sizeof(*c->kept));
    arena_init(&c->arena, 0);
    arena_init(&c->scratch, 0);
    const struct data_type **types = arena_alloc(&c->arena, (n_args + 1) * sizeof(*types));
    for (uint32_t i = 0; i < n_args; i++) {
        types[i] = args[i]->type;
    }
    user_call_describe(&c->arena, c->f, types, args, n_args, result, &c->call);
    int rc = 0;
    if (c->f->udf.open != NULL) {
        const int code = c->f->udf.open(&c->call, &c->instance, &why);
        rc = user_function_result(c->f, code, &why, "opening it", err);
    }
    if (rc < 0) {
        user_call_close(c);
        return rc;
    }
    c->is_open = true;
    *ret = c;
    return 0;
}

static uint32_t without_nulls(const struct user_call *c, const struct user_rows *in)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint16_t row = in->rows != NULL ? in->rows[i] : (uint16_t)i;
        bool is_null = false;
        for (uint32_t k = 0; k < c->call.n_args; k++) {
            is_null |= column_is_null(&in->args[k], row);
        }
        c->kept[n] = row;
        n += !is_null;
    }
    return n;
}

int user_call_table(struct user_call *c, const struct user_rows *in, flinc_udf_rows *to,
                    struct error *err)
{
    const uint32_t n_args = c->call.n_args;
    flinc_udf_column *args = arena_alloc(&c->scratch, (n_args + 1) * sizeof(*args));
    flinc_udf_batch batch = {
        .struct_size = sizeof(batch), .n = in->n, .rows = in->rows, .n_args = n_args, .args = args};
    flinc_udf_error why = {{0}};
    for (uint32_t i = 0; i < n_args; i++) {
        user_column_show(&c->scratch, &in->args[i], c->call.args[i], 1, &args[i]);
    }
    if ((c->f->udf.flags & FLINC_UDF_CALLED_ON_NULL) == 0) {
        batch.n = without_nulls(c, in);
        batch.rows = c->kept;
    }
    int rc = 0;
    if (batch.n > 0) {
        const int code = c->f->udf.call(c->instance, &batch, to, &why);
        /* A failure to take its rows is told by their taker. */
        rc = to->out->status < 0 ? to->out->status
                                 : user_function_result(c->f, code, &why, "making rows", err);
    }
    arena_reset(&c->scratch);
    return rc;
}
