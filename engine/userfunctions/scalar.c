/* Scalar functions: a call of a program, by batches. */
#include "engine/userfunctions/inside.h"

/* A call that was bound; lies in the program's arena. */
struct scalar_call {
    const struct user_function *f;
    void *instance;
    flinc_udf_call call;
};

static void close_call(void *state)
{
    struct scalar_call *c = state;
    if (c->f->udf.close != NULL) {
        c->f->udf.close(c->instance);
    }
}

int user_scalar_bind(struct expr_binding *binding, struct error *err)
{
    const struct expr *e = binding->call;
    struct scalar_call *c = arena_zalloc(binding->arena, sizeof(*c));
    const struct data_type **types = arena_alloc(binding->arena, (e->n_args + 1) * sizeof(*types));
    c->f = user_function_of(e->function);
    for (uint32_t i = 0; i < e->n_args; i++) {
        types[i] = e->args[i]->type;
    }
    user_call_describe(binding->arena, c->f, types, e->args, e->n_args, e->type, &c->call);
    if (c->f->udf.open != NULL) {
        flinc_udf_error why = {{0}};
        const int code = c->f->udf.open(&c->call, &c->instance, &why);
        TRY(user_function_result(c->f, code, &why, "opening it", err));
    }
    binding->state = c;
    binding->free_state = close_call;
    return 0;
}

/* ---- results ---------------------------------------------------------------------------------------- */

struct scalar_result {
    flinc_udf_result face; /* first member */
    struct expr_frame *frame;
    size_t opened; /* room at the last opening; 0: none is open */
};

static void close_room(struct scalar_result *r)
{
    if (r->opened > 0) {
        expr_close_room(r->frame, r->opened - r->face.heap_left);
        r->opened = 0;
    }
}

static void grow(flinc_udf_result *out, size_t size)
{
    struct scalar_result *r = (struct scalar_result *)out;
    struct expr_room room;
    close_room(r);
    expr_open_room(r->frame, size, &room);
    r->opened = room.left;
    out->heap = room.at;
    out->heap_left = room.left;
    out->heap_number = room.number;
    out->heap_offset = room.offset;
}

static void set_null(flinc_udf_result *out, uint32_t row)
{
    expr_set_null(((struct scalar_result *)out)->frame, row);
}

/* Rows that do not count have values, too: whoever looks at the whole column finds zeros. */
static void clear_values(struct expr_frame *f)
{
    struct buffer *values = f->out->column.values;
    memset(values->data, 0, values->size);
}

int user_scalar_kernel(struct expr_frame *f, struct error *err)
{
    const struct scalar_call *c = f->state;
    struct arena *arena = f->context->arena;
    flinc_udf_column *args = arena_alloc(arena, (f->n_args + 1) * sizeof(*args));
    flinc_udf_error why = {{0}};
    for (uint32_t i = 0; i < f->n_args; i++) {
        const struct expr_vector *v = f->args[i];
        user_column_show(arena, &v->column, c->call.args[i], v->is_constant ? 0 : 1, &args[i]);
    }
    const flinc_udf_batch in = {
        .struct_size = sizeof(in), .n = f->n, .rows = f->rows, .n_args = f->n_args, .args = args};
    clear_values(f);
    struct scalar_result r = {
        .face = {.struct_size = sizeof(r.face),
                 .type = c->call.result,
                 .values = f->out->column.values->data,
                 .grow = grow,
                 .set_null = set_null},
        .frame = f,
    };
    const int code = c->f->udf.eval(c->instance, &in, &r.face, &why);
    close_room(&r);
    return user_function_result(c->f, code, &why, "computing it", err);
}
