/* Functions as users build them: good ones, and one of each way to be wrong. */
#include <flinc/udf.h>

#include <stdlib.h>

/* ---- scalar ---------------------------------------------------------------------------------------- */

static int twice_eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                      flinc_udf_error *error)
{
    (void)instance;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        const int64_t v = flinc_udf_int64(&in->args[0], row);
        if (v == 13) {
            return flinc_udf_fail(error, FLINC_UDF_INVALID, "13 brings no luck");
        }
        flinc_udf_put_int64(out, row, 2 * v);
    }
    return 0;
}
FLINC_SCALAR_FUNCTION(twice, .arguments = "BIGINT", .result = "BIGINT", .eval = twice_eval);

/* The text as often as the constant says, with what was NULL as "none". */
struct repeat {
    int32_t times;
};

static int repeat_open(const flinc_udf_call *call, void **ret_instance, flinc_udf_error *error)
{
    const flinc_udf_column *times = &call->constants[1];
    struct repeat *r;
    if (times->values == NULL || flinc_udf_is_null(times, 0)) {
        return flinc_udf_fail(error, FLINC_UDF_INVALID, "how often is a constant");
    }
    r = (struct repeat *)malloc(sizeof(*r));
    r->times = flinc_udf_int32(times, 0);
    *ret_instance = r;
    return 0;
}

static int repeat_eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                       flinc_udf_error *error)
{
    const struct repeat *r = (const struct repeat *)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        const flinc_string none = FLINC_STR("none");
        const flinc_string s =
            flinc_udf_is_null(&in->args[0], row) ? none : flinc_udf_string(&in->args[0], row);
        char *to = flinc_udf_begin_string(out, s.len * (size_t)r->times);
        for (int32_t k = 0; k < r->times; k++) {
            memcpy(to + (size_t)k * s.len, s.data, s.len);
        }
        flinc_udf_end_string(out, row, s.len * (size_t)r->times);
    }
    return 0;
}
FLINC_SCALAR_FUNCTION(repeat_text, .flags = FLINC_UDF_CALLED_ON_NULL, .arguments = "STRING, INT",
                      .result = "STRING NOT NULL", .open = repeat_open, .close = free,
                      .eval = repeat_eval);

/* The value itself, of any type without children; NULL for every third row. */
static int same_type(const flinc_udf_call *call, char *ret_type, flinc_udf_error *error)
{
    if (call->args[0]->kind == FLINC_TYPE_BOOLEAN) {
        return flinc_udf_fail(error, FLINC_UDF_INVALID, "truth is not taken");
    }
    (void)snprintf(ret_type, FLINC_UDF_TYPE_MAX, "%s", call->args[0]->text);
    return 0;
}

static int holes_eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out,
                      flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        const uint32_t row = flinc_udf_row(in, i);
        if (row % 3 == 0) {
            out->set_null(out, row);
        } else {
            flinc_udf_put_int64(out, row, flinc_udf_int64(&in->args[0], row));
        }
    }
    return 0;
}
FLINC_SCALAR_FUNCTION(holes, .flags = FLINC_UDF_NULLABLE, .arguments = "ANY", .infer = same_type,
                      .eval = holes_eval);

/* ---- aggregate: the least text, which a state points to --------------------------------------------- */

struct least {
    char *text;
    size_t len;
};

static void least_take(struct least *s, flinc_string v)
{
    if (s->text == NULL || v.len < s->len ||
        (v.len == s->len && memcmp(v.data, s->text, v.len) < 0)) {
        free(s->text);
        s->text = (char *)malloc(v.len + 1);
        memcpy(s->text, v.data, v.len);
        s->len = v.len;
    }
}

static int least_add(void *instance, const flinc_udf_batch *in, const flinc_udf_states *states,
                     flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < in->n; i++) {
        least_take((struct least *)flinc_udf_state(states, i),
                   flinc_udf_string(&in->args[0], flinc_udf_row(in, i)));
    }
    return 0;
}

static int least_merge(void *instance, const flinc_udf_states *to, const flinc_udf_states *from,
                       uint32_t n, flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < n; i++) {
        const struct least *of = (const struct least *)flinc_udf_state(from, i);
        if (of->text != NULL) {
            const flinc_string s = {of->text, of->len};
            least_take((struct least *)flinc_udf_state(to, i), s);
        }
    }
    return 0;
}

static int least_finish(void *instance, const flinc_udf_states *states, uint32_t n,
                        flinc_udf_result *out, flinc_udf_error *error)
{
    (void)instance;
    (void)error;
    for (uint32_t i = 0; i < n; i++) {
        const struct least *s = (const struct least *)flinc_udf_state(states, i);
        if (s->text == NULL) {
            out->set_null(out, i);
        } else {
            const flinc_string v = {s->text, s->len};
            flinc_udf_put_string(out, i, v);
        }
    }
    return 0;
}

static int least_save(void *instance, const void *state, flinc_udf_bytes *ret,
                      flinc_udf_error *error)
{
    const struct least *s = (const struct least *)state;
    const char has = s->text != NULL;
    (void)instance;
    (void)error;
    ret->add(ret, &has, 1);
    if (has) {
        ret->add(ret, s->text, s->len);
    }
    return 0;
}

static int least_load(void *instance, void *state, flinc_string saved, flinc_udf_error *error)
{
    (void)instance;
    if (saved.len == 0) {
        return flinc_udf_fail(error, FLINC_UDF_INVALID, "a state without bytes");
    }
    if (saved.data[0] != 0) {
        const flinc_string s = {saved.data + 1, saved.len - 1};
        least_take((struct least *)state, s);
    }
    return 0;
}

static void least_destroy(void *instance, void *state)
{
    (void)instance;
    free(((struct least *)state)->text);
}
FLINC_AGGREGATE_FUNCTION(least_text, .arguments = "STRING", .result = "STRING",
                         .state_size = sizeof(struct least), .add = least_add, .merge = least_merge,
                         .finish = least_finish, .save = least_save, .load = least_load,
                         .destroy = least_destroy);

/* ---- wrong ones ------------------------------------------------------------------------------------- */

FLINC_SCALAR_FUNCTION(without_eval, .arguments = "INT", .result = "INT");
FLINC_SCALAR_FUNCTION(without_arguments, .result = "INT", .eval = twice_eval);
FLINC_SCALAR_FUNCTION(without_result, .arguments = "INT", .eval = twice_eval);
FLINC_SCALAR_FUNCTION(half_open, .arguments = "INT", .result = "INT", .open = repeat_open,
                      .eval = twice_eval);
FLINC_SCALAR_FUNCTION(bad_arguments, .arguments = "INT, NUMBER", .result = "INT",
                      .eval = twice_eval);
FLINC_SCALAR_FUNCTION(varying_first, .arguments = "INT..., INT", .result = "INT",
                      .eval = twice_eval);
FLINC_SCALAR_FUNCTION(bad_result, .arguments = "INT", .result = "DECIMAL(99, 1)",
                      .eval = twice_eval);
FLINC_SCALAR_FUNCTION(nested_result, .arguments = "INT", .result = "ARRAY<INT>",
                      .eval = twice_eval);
FLINC_TABLE_FUNCTION(without_call, .arguments = "INT", .result = "INT");
FLINC_AGGREGATE_FUNCTION(without_merge, .arguments = "INT", .result = "INT", .state_size = 8,
                         .add = least_add, .finish = least_finish);
FLINC_AGGREGATE_FUNCTION(large_state, .arguments = "INT", .result = "INT", .state_size = 65,
                         .add = least_add, .merge = least_merge, .finish = least_finish);
FLINC_AGGREGATE_FUNCTION(save_alone, .arguments = "INT", .result = "INT", .state_size = 8,
                         .add = least_add, .merge = least_merge, .finish = least_finish,
                         .save = least_save);
FLINC_UDF_OF_(unknown_kind, 9, .arguments = "INT", .result = "INT", .eval = twice_eval);

extern FLINC_API const flinc_udf newer, too_short;
const flinc_udf newer = {.magic = FLINC_UDF_MAGIC,
                         .struct_size = sizeof(flinc_udf),
                         .abi_version = FLINC_UDF_ABI_VERSION + 1};
const flinc_udf too_short = {
    .magic = FLINC_UDF_MAGIC, .struct_size = 24, .abi_version = FLINC_UDF_ABI_VERSION};
extern FLINC_API const uint32_t some_data[8];
const uint32_t some_data[8] = {1, 2, 3};
FLINC_API int some_code(void);
int some_code(void)
{
    return 1;
}
